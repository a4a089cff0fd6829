"""What a Grafana beside us needs: dashboards that are sound, and teams that may see them."""
