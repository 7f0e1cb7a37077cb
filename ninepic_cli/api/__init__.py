"""The 9Pic REST API: requests, pages, listings, presigned links."""
