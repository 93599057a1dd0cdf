# edge as a small image: runs as nobody, needs no writable root. Mount the configuration at /etc/edge and, if it logs to
# files, a volume at /var/lib/edge.
#
#   docker build -t edge .
#   docker run -p 8080:8080 -v "$PWD/edge.yaml:/etc/edge/edge.yaml:ro" --read-only --tmpfs /var/lib/edge edge
#
# The program is compiled here. One that was built for BASE_IMAGE before is taken from target/release with
# `--build-arg PROGRAM=prebuilt`, and nothing is compiled.

ARG BUILD_IMAGE=rust:1-bookworm
ARG BASE_IMAGE=debian:bookworm-slim
ARG PROGRAM=compiled

FROM ${BUILD_IMAGE} AS compiled
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY src src
COPY benches benches
COPY tests/it tests/it
RUN cargo build --release --locked --bin edge && install -D -s target/release/edge /program/edge

FROM scratch AS prebuilt
COPY target/release/edge /program/edge

FROM ${PROGRAM} AS program

FROM ${BASE_IMAGE}
COPY --from=program /program/edge /usr/bin/edge
COPY conf/minimal.yaml /etc/edge/edge.yaml
WORKDIR /var/lib/edge
USER nobody
EXPOSE 8080
STOPSIGNAL SIGQUIT
# It answers over its control socket.
HEALTHCHECK --interval=10s --timeout=3s CMD ["edge", "top", "--once", "--interval", "100ms", "-p", "/var/lib/edge", "-c", "/etc/edge/edge.yaml"]
ENTRYPOINT ["edge", "-p", "/var/lib/edge", "-c", "/etc/edge/edge.yaml"]
