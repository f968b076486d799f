"""What the service says of itself: to machines as OpenAPI and AsyncAPI, to people as pages that need no network."""
