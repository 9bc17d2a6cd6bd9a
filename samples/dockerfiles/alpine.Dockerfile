# A small image that is not yet a minimal one: busybox is a shell, apk a package manager, and nobody set a user.
FROM docker.io/library/alpine:3.20
RUN apk add --no-cache ca-certificates
COPY server /usr/local/bin/server
CMD ["server"]
