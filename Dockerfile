# Any image with Python 3.11 or newer and its venv module serves as BASE, be the binary only `python3` or not.
ARG BASE=python:3.13-slim

# ---- build: a wheel of the project, installed with its dependencies into /opt/venv
FROM ${BASE} AS build

# Told by the builder: amd64, arm64, arm …
ARG TARGETARCH
# '[speed]' adds uvloop and isal, which pay where there are many gateways.
ARG EXTRAS=
WORKDIR /src
# For 32-bit ARM the index has no wheels of cffi, ephem and PyYAML: they are compiled, and nothing of this is shipped.
# hadolint ignore=DL3008
RUN if [ "${TARGETARCH}" = arm ]; then \
        apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev libffi-dev \
     && rm -rf /var/lib/apt/lists/*; \
    fi
RUN python3 -m venv /opt/build \
 && python3 -m venv --without-pip /opt/venv
COPY pyproject.toml README.md LICENSE ./
COPY exporter ./exporter
# pip stays in /opt/build: the environment that is shipped has no installer.
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /dist . \
 && set -- /dist/*.whl \
 && /opt/build/bin/pip --python /opt/venv/bin/python install --no-cache-dir "$1${EXTRAS}"

# ---- final: the same base, the environment, nothing else
FROM ${BASE}

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="winet-exporter" \
      org.opencontainers.image.description="Prometheus exporter for Sungrow inverters behind WiNet gateways" \
      org.opencontainers.image.authors="The winet-exporter authors" \
      org.opencontainers.image.source="https://github.com/winet-exporter/winet-exporter" \
      org.opencontainers.image.documentation="https://github.com/winet-exporter/winet-exporter/blob/main/docs/deployment.md" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The bytecode comes with /opt/venv; nothing is written at run time, so the root file system may be read-only.
ENV PATH="/opt/venv/bin:${PATH}" \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

COPY --from=build /opt/venv /opt/venv
# A volume mounted here for --storage.path starts out as the user's own.
RUN install -d -o 65532 -g 65532 -m 0700 /var/lib/winet-exporter

# Numbers, so that Kubernetes can see it is not root.
USER 65532:65532
EXPOSE 10182
HEALTHCHECK --interval=60s --timeout=10s --start-period=20s --retries=3 \
    CMD ["/opt/venv/bin/winet-exporter", "healthcheck"]
ENTRYPOINT ["/opt/venv/bin/winet-exporter"]
CMD ["--config.file=/etc/winet-exporter/winet.yml"]
