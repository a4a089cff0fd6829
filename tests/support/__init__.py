"""What the tests share: servers, proxies, strategies."""
