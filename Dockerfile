# Walden in a container: waldend, and walden to talk to it.
#
#   scripts/build-image.sh                        or: docker build -t walden .
#   docker run -d --name walden --read-only -v walden:/var/lib/walden -p 127.0.0.1:7071:7071 walden
#   docker exec walden walden append --region 1 --table 1 hello
#
# It listens where only neighbours are: on loopback, which a pod shares, and on
# /run/walden/walden.sock, for containers that mount the same volume there. So `-p 7070:7070` alone
# reaches nothing. To serve a network, listen on it,
#
#   -e WALDEN_LISTEN=0.0.0.0:7070,unix:/run/walden/walden.sock
#
# and either mount a certificate, its key and identities and name them (WALDEN_SECURITY_TLS_...,
# docs/operators/deployment.md), or, on a private network, say plainly that anybody there may read, write and
# delete: -e WALDEN_SECURITY_ALLOW_INSECURE_NETWORK=true. With neither the daemon refuses to start.
#
# Runs as uid 7070 and writes to its two volumes only, never to the root file system.

ARG BUILD_BASE=docker.io/library/debian:bookworm
ARG RUNTIME_BASE=docker.io/library/debian:bookworm-slim

FROM ${BUILD_BASE} AS build
WORKDIR /walden
COPY scripts/install-deps.sh scripts/
RUN scripts/install-deps.sh build && rm -rf /var/lib/apt/lists/*
COPY . .
ARG REVISION=
RUN cmake --preset release -DWALDEN_BUILD_TESTS=OFF -DWALDEN_COMMIT="${REVISION}" \
 && cmake --build build/release --target waldend walden \
 && strip build/release/bin/waldend build/release/bin/walden

FROM ${RUNTIME_BASE}
COPY scripts/install-deps.sh /tmp/
RUN /tmp/install-deps.sh runtime \
 && rm -rf /tmp/install-deps.sh /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
 && groupadd --system --gid 7070 walden \
 && useradd --system --uid 7070 --gid walden --no-create-home --home-dir /var/lib/walden walden \
 && install -d -o walden -g walden -m 0750 /var/lib/walden /run/walden
COPY LICENSE /usr/share/doc/walden/
COPY config/waldend.yaml /usr/share/doc/walden/waldend.yaml
COPY deploy/container/waldend.yaml /etc/walden/waldend.yaml
COPY --from=build /walden/build/release/bin/waldend /walden/build/release/bin/walden /usr/local/bin/

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Walden" \
      org.opencontainers.image.description="A write-ahead log as a service" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# By number, so that Kubernetes can see that it is not root.
USER 7070:7070
WORKDIR /var/lib/walden
VOLUME ["/var/lib/walden", "/run/walden"]
# For `walden` inside the container, the health check's too, wherever else the daemon listens.
ENV WALDEN_ADDRESS=unix:/run/walden/walden.sock
EXPOSE 7070 7071
HEALTHCHECK --interval=10s --timeout=5s --start-period=1m --retries=3 \
  CMD ["/usr/local/bin/walden", "health", "--timeout", "4s"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/waldend", "--config", "/etc/walden/waldend.yaml"]
