# Three images from one file: `exporter` (the default), `loader`, which adds promtool for the demo's past, and
# `application`, the example of examples/app with what its instrumentation needs.
# Digests are added by the release, not by hand.
FROM python:3.13.16-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY requirements/server.lock requirements/server.lock
RUN python -m venv /opt/sales-exporter \
 && /opt/sales-exporter/bin/pip install --require-hashes --only-binary :all: -r requirements/server.lock
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
# The package carries the shipped configuration.
COPY alert_rules alert_rules
COPY examples examples
COPY grafana/access.yml grafana/access.yml
COPY grafana/dashboards grafana/dashboards
COPY grafana/provisioning grafana/provisioning
COPY prometheus prometheus
RUN /opt/sales-exporter/bin/pip install --no-deps --no-build-isolation . \
 && /opt/sales-exporter/bin/python -m pip uninstall --yes pip

FROM build AS build-application
COPY requirements/app.lock requirements/app.lock
RUN python -m venv /opt/application \
 && /opt/application/bin/pip install --require-hashes --only-binary :all: -r requirements/app.lock
RUN /opt/application/bin/pip install --no-deps --no-build-isolation . \
 && /opt/application/bin/python -m pip uninstall --yes pip

FROM prom/prometheus:v3.14.0 AS prometheus

FROM python:3.13.16-slim-trixie AS runtime
ENV PATH=/opt/sales-exporter/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SALES_EXPORTER_STORAGE_PATH=/var/lib/sales-exporter
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sales-exporter \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/sales-exporter \
 && install -d -o 65534 -g 65534 -m 0755 /prometheus
COPY --from=build /opt/sales-exporter /opt/sales-exporter
WORKDIR /var/lib/sales-exporter
ENTRYPOINT ["sales-exporter"]

FROM runtime AS loader
COPY --from=prometheus /bin/promtool /usr/local/bin/promtool
# Prometheus' own user: what is written into its volume has to belong to it.
WORKDIR /prometheus
USER 65534:65534
CMD ["load-demo", "--help"]

FROM python:3.13.16-slim-trixie AS application
ENV PATH=/opt/application/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin application
COPY --from=build-application /opt/application /opt/application
COPY --from=build-application /source/examples/app /srv/application
WORKDIR /srv/application
USER 10001:10001
EXPOSE 18882
ENTRYPOINT ["uvicorn"]
CMD ["app:app", "--host=0.0.0.0", "--port=18882", "--no-access-log", "--timeout-graceful-shutdown=2"]

FROM runtime AS exporter
USER 10001:10001
EXPOSE 18880
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["sales-exporter", "healthcheck"]
CMD ["serve", "--web.listen-address=0.0.0.0:18880"]
