#!/bin/sh
# Renews src/store/etcd/generated/ after a change of src/store/etcd/etcd.proto.
# Needs Debian's protobuf-compiler (protoc); the generator of JavaScript comes with `npm ci`.
# JavaScript with declarations, because the generator's TypeScript has enums, which type stripping refuses.
set -eu
cd "$(dirname "$0")/.."
protoc --proto_path=src/store/etcd \
  --plugin=node_modules/.bin/protoc-gen-es \
  --es_out=src/store/etcd/generated --es_opt=target=js+dts,import_extension=js \
  etcd.proto
