"""The rule pack as source: templates, thresholds and objectives become the rule files that Prometheus reads. Pure."""
