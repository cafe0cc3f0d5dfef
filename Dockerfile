# A digest makes the base the same for ever: --build-arg PYTHON_IMAGE=python:3.13-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Which of pyproject.toml's extras the image has; several with commas. Their versions are the lock's.
ARG EXTRAS=redis
WORKDIR /src
COPY requirements.lock requirements-runtime.lock ./
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.txt \
    && pip install --no-cache-dir --require-hashes --requirement uv.txt \
    && uv venv --no-cache /opt/backscroll \
    && uv pip sync --no-cache --compile-bytecode --python /opt/backscroll --require-hashes requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY backscroll backscroll
RUN uv pip install --no-cache --compile-bytecode --python /opt/backscroll \
    --constraints requirements.lock --build-constraints requirements.lock ".[${EXTRAS}]"

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/backscroll /opt/backscroll
# Mount, or copy, config.yaml and the modules that it names into /app/bot. What is kept in files lies in /app/data: with
# SQLite let storage.url be sqlite:////app/data/backscroll.db, with another database storage.files be /app/data/files.
ENV PATH="/opt/backscroll/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/app/data BACKSCROLL_CONFIG=/app/bot/config.yaml
RUN install --directory /app/bot && install --directory --owner=10001 --group=10001 /app/data
# A number, so that Kubernetes' runAsNonRoot can check it.
USER 10001:10001
WORKDIR /app/data
VOLUME ["/app/data"]
# SIGTERM lets handlers finish for bot.shutdown_grace_s, 8 s. Docker kills after 10 s by itself; docker run
# --stop-timeout, or compose.yaml's stop_grace_period, gives more.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["backscroll", "health", "--this-host"]
ENTRYPOINT ["backscroll"]
CMD ["run"]
