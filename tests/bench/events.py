"""Events by the hundred thousand, committed as they would be, but by one statement."""

from domain.aggregate import new_id

COLUMNS = "event_id, stream, type, subject, data, traceparent, recorded_at"

EVENTS = f"""
SELECT id, 'waybill:files', 'file.available', subject,
    json_build_object(
        'file_id', subject, 'owner_id', '{new_id()}', 'name', 'report ' || n || '.pdf', 'size', 1000 + n,
        'content_type', 'application/pdf', 'sha256', repeat('0', 64), 'version', 2),
    '00-' || replace(id::text, '-', '') || '-00f067aa0ba902b7-01', now()
FROM (
    SELECT n, gen_random_uuid() AS id, ('00000000-0000-7000-8000-' || lpad((n % $2)::text, 12, '0'))::uuid AS subject
    FROM generate_series(1, $1::int) n
) made
"""
"""$1 events of $2 subjects in turn, each with all that an envelope can carry."""

RECORD = f"INSERT INTO outbox ({COLUMNS}) {EVENTS}"
