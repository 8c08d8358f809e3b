# docker build -t walden . && docker run -p 7070:7070 -v walden:/var/lib/walden walden
FROM debian:bookworm AS build
WORKDIR /walden
COPY scripts/install-deps.sh scripts/
RUN scripts/install-deps.sh build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release -DWALDEN_BUILD_TESTS=OFF \
 && cmake --build build/release --target waldend walden \
 && strip build/release/bin/waldend build/release/bin/walden

FROM debian:bookworm-slim
COPY scripts/install-deps.sh /tmp/
RUN /tmp/install-deps.sh runtime && rm -rf /var/lib/apt/lists/* /tmp/install-deps.sh \
 && useradd --system --uid 7070 --user-group --no-create-home walden \
 && install -d -o walden -g walden /var/lib/walden
COPY --from=build /walden/build/release/bin/waldend /walden/build/release/bin/walden /usr/local/bin/
COPY --from=build /walden/LICENSE /usr/share/doc/walden/
COPY --from=build /walden/config/waldend.yaml /usr/share/doc/walden/
USER walden
WORKDIR /var/lib/walden
VOLUME /var/lib/walden
# Inside a container loopback is nobody's; who may connect is the container network's to say.
ENV WALDEN_DATA_DIR=/var/lib/walden WALDEN_LISTEN=0.0.0.0:7070 WALDEN_LOG_FORMAT=json
EXPOSE 7070
ENTRYPOINT ["/usr/local/bin/waldend"]
