"""The Interactive Sessions API over HTTP, as AWS answers it."""
