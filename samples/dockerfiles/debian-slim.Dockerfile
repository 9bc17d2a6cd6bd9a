# A Python service on Debian in two stages: pip and the compilers stay behind, but the base keeps bash, dash and apt.
FROM docker.io/library/python:3.13-slim-bookworm AS build
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --target /packages -r requirements.txt

FROM docker.io/library/python:3.13-slim-bookworm
LABEL org.opencontainers.image.source="https://git.example.com/shop/report" \
      org.opencontainers.image.version="2.0.0" \
      com.example.team="shop"
COPY --from=build /packages /app/packages
COPY report /app/report
ENV PYTHONPATH=/app/packages
USER 10001:10001
ENTRYPOINT ["python", "-m", "report"]
