"""History: what Prometheus knows of each watched series, first its past and then one sample a tick."""
