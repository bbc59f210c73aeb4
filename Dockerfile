# The plain server. See docs/deploy.md.
FROM python:3.13-slim AS build
COPY pyproject.toml README.md LICENSE app.py template.yaml /src/
COPY src /src/src
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir '/src[server,aws,jwt]'

FROM python:3.13-slim
RUN useradd --system --uid 10001 bucketer && install -d -o bucketer /state
COPY --from=build /venv /venv
USER bucketer
ENV BUCKETER_STATE_DIR=/state BUCKETER_HOST=0.0.0.0 BUCKETER_PORT=8080
VOLUME /state
EXPOSE 8080
STOPSIGNAL SIGTERM
# Healthy: it answers, and has a datafile to decide by. Whoever moves the port has it in the variable.
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s \
    CMD /venv/bin/bucketer datafile status --server "http://127.0.0.1:$BUCKETER_PORT"
ENTRYPOINT ["/venv/bin/bucketer", "serve"]
