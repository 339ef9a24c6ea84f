# syntax=docker/dockerfile:1
# One image for the API, the worker, migrations and the sandbox bank; the command says which.

FROM python:3.11-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /build

# The installer itself is pinned by hash, like everything it installs.
COPY requirements-uv.lock ./
RUN pip install --no-deps --require-hashes --requirement requirements-uv.lock

# Dependencies change seldom, so they are a layer of their own.
COPY requirements-server.lock ./
RUN uv venv --no-project /opt/mintql \
 && uv pip sync --python /opt/mintql --require-hashes requirements-server.lock

# The build backend stays in this stage, at the versions and hashes of the lock.
COPY requirements.lock ./
RUN uv venv --no-project /opt/build \
 && uv pip install --python /opt/build --constraint requirements.lock hatchling

COPY pyproject.toml README.md LICENSE ./
COPY migrations ./migrations
COPY src ./src
RUN /opt/build/bin/python -m hatchling build --target wheel \
 && uv pip install --python /opt/mintql --no-deps dist/*.whl


FROM python:3.11-slim

# A fixed number, so that volumes keep their owner across rebuilds and clusters can insist on it.
RUN groupadd --system --gid 10001 mintql \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/mintql mintql \
 && install --directory --owner 10001 --group 10001 /var/lib/mintql
COPY --from=build /opt/mintql /opt/mintql

ENV PATH=/opt/mintql/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MINTQL_ENVIRONMENT=production
WORKDIR /var/lib/mintql
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

# For the API; what runs another command brings its own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]

ENTRYPOINT ["mintql"]
CMD ["api", "--host", "0.0.0.0", "--port", "8000"]
