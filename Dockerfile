FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock requirements-runtime.lock ./
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.txt \
    && pip install --no-cache-dir --require-hashes --requirement uv.txt \
    && uv venv --no-cache /opt/backscroll \
    && uv pip sync --no-cache --compile-bytecode --python /opt/backscroll --require-hashes requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY backscroll backscroll
RUN uv pip install --no-cache --compile-bytecode --python /opt/backscroll --no-deps --build-constraints requirements.lock .

FROM python:3.13-slim-bookworm
COPY --from=build /opt/backscroll /opt/backscroll
ENV PATH="/opt/backscroll/bin:$PATH" PYTHONUNBUFFERED=1 BACKSCROLL_CONFIG=/app/config.yaml
# A number, so that Kubernetes' runAsNonRoot can check it. Mount config.yaml to /app/config.yaml; with SQLite let its
# storage.url be sqlite:////app/data/backscroll.db, so that the conversations outlive the container. With PostgreSQL and
# Redis the files that people send lie in the working directory, which is the volume too.
RUN install --directory --owner=10001 --group=10001 /app/data
USER 10001:10001
WORKDIR /app/data
VOLUME ["/app/data"]
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s CMD ["backscroll", "check"]
ENTRYPOINT ["backscroll"]
CMD ["run"]
