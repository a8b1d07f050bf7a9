# The programs of Kreispuls in one image: docker run kreispuls ingest | planner | api | simulate | ...
# Without what only the planner, the laptop and pictures need: --build-arg LOCK=requirements-base.lock
FROM python:3.11.17-slim-bookworm AS build
ARG LOCK=requirements.lock
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN pip install setuptools==80.9.0 \
    && python -m venv --without-pip /opt/kreispuls
WORKDIR /src
COPY ${LOCK} .
RUN pip --python /opt/kreispuls/bin/python install --require-hashes --only-binary :all: -r ${LOCK}
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/kreispuls/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:3.11.17-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin kreispuls \
    && install --directory --owner kreispuls --group kreispuls /var/lib/kreispuls
COPY --from=build /opt/kreispuls /opt/kreispuls
ENV PATH=/opt/kreispuls/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    KREISPULS_DATA_DIR=/var/lib/kreispuls \
    KREISPULS_API_HOST=0.0.0.0
WORKDIR /var/lib/kreispuls
USER 10001
EXPOSE 8000 9108
# For the API, the default; docker-compose.yml has the other programs' own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=3); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["kreispuls"]
CMD ["api"]
