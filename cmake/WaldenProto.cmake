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
  set(stem ${WALDEN_PROTO_OUT}/${stem})
  set(messages ${stem}.pb.cc ${stem}.pb.h)
  set(services ${stem}.grpc.pb.cc ${stem}.grpc.pb.h)
  add_custom_command(
    OUTPUT ${messages} ${services}
    COMMAND protobuf::protoc -I ${WALDEN_PROTO_DIR} --cpp_out=${WALDEN_PROTO_OUT}
            --grpc_out=${WALDEN_PROTO_OUT} --plugin=protoc-gen-grpc=${WALDEN_GRPC_PLUGIN} ${name}
    DEPENDS ${WALDEN_PROTOS}
    COMMENT "Generating C++ from ${name}")
  list(APPEND WALDEN_PROTO_SOURCES ${messages})
  # Without a service there is nothing in the second pair of files.
  file(STRINGS ${proto} services_of_proto REGEX "^service ")
  if(services_of_proto)
    list(APPEND WALDEN_PROTO_SOURCES ${services})
  endif()
endforeach()

add_custom_target(walden_proto_sources DEPENDS ${WALDEN_PROTO_SOURCES})
add_library(walden_proto STATIC ${WALDEN_PROTO_SOURCES})
target_include_directories(walden_proto SYSTEM PUBLIC ${WALDEN_PROTO_OUT})
# Each generated file defines the same names.
set_target_properties(walden_proto PROPERTIES UNITY_BUILD OFF)
target_link_libraries(walden_proto PUBLIC gRPC::grpc++ protobuf::libprotobuf)
