"""The shipped rules, routes, templates and runbooks, tried with promtool, amtool and the real servers."""
