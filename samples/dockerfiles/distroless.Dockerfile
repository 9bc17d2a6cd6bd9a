# The image to aim for: built with a compiler, shipped without a shell, a package manager or root.
FROM docker.io/library/golang:1.26-bookworm AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /server ./cmd/server

FROM gcr.io/distroless/static-debian12:nonroot
LABEL org.opencontainers.image.source="https://git.example.com/shop/server" \
      org.opencontainers.image.version="1.4.2" \
      com.example.team="shop"
COPY --from=build /server /app/server
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/app/server"]
