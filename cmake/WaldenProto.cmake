# Generates C++ from proto/ into the build folder and builds it as walden_proto.
set(WALDEN_PROTO_DIR ${PROJECT_SOURCE_DIR}/proto)
set(WALDEN_PROTO_OUT ${PROJECT_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${WALDEN_PROTO_OUT})
file(GLOB_RECURSE WALDEN_PROTOS CONFIGURE_DEPENDS ${WALDEN_PROTO_DIR}/*.proto)
get_target_property(WALDEN_GRPC_PLUGIN gRPC::grpc_cpp_plugin LOCATION)

set(WALDEN_PROTO_SOURCES)
foreach(proto ${WALDEN_PROTOS})
  file(RELATIVE_PATH name ${WALDEN_PROTO_DIR} ${proto})
  string(REGEX REPLACE "\\.proto$" "" stem ${name})
  set(generated ${WALDEN_PROTO_OUT}/${stem}.pb.cc ${WALDEN_PROTO_OUT}/${stem}.pb.h
                ${WALDEN_PROTO_OUT}/${stem}.grpc.pb.cc ${WALDEN_PROTO_OUT}/${stem}.grpc.pb.h)
  add_custom_command(
    OUTPUT ${generated}
    COMMAND protobuf::protoc -I ${WALDEN_PROTO_DIR} --cpp_out=${WALDEN_PROTO_OUT}
            --grpc_out=${WALDEN_PROTO_OUT} --plugin=protoc-gen-grpc=${WALDEN_GRPC_PLUGIN} ${name}
    DEPENDS ${WALDEN_PROTOS}
    COMMENT "Generating C++ from ${name}")
  list(APPEND WALDEN_PROTO_SOURCES ${generated})
endforeach()

add_custom_target(walden_proto_sources DEPENDS ${WALDEN_PROTO_SOURCES})
add_library(walden_proto STATIC ${WALDEN_PROTO_SOURCES})
target_include_directories(walden_proto SYSTEM PUBLIC ${WALDEN_PROTO_OUT})
target_link_libraries(walden_proto PUBLIC gRPC::grpc++ protobuf::libprotobuf)
