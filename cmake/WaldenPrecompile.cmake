# Parses the headers that nearly every file of a target includes once instead of once a file, which
# halves the time of a build. Files include what they need all the same: the preset `clang`, which
# .ci/run builds, parses only gRPC's headers once (WALDEN_PRECOMPILE=RPC).
set(common_headers <absl/container/flat_hash_map.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
                   <absl/synchronization/mutex.h> <absl/time/time.h> <functional> <map> <memory>
                   <string> <vector>)
set(rpc_headers ${common_headers} <grpcpp/grpcpp.h> <walden/v1/wal.grpc.pb.h>
                <walden/v1/entry.grpc.pb.h> <walden/v1/admin.grpc.pb.h>)
set(test_headers <gmock/gmock.h> <gtest/gtest.h>)

# walden_precompile(OWNER [TARGET...] HEADERS HEADER...): of the targets that are part of this build. The
# others use what is parsed for the owner, as they are compiled alike.
function(walden_precompile owner)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "HEADERS")
  if(NOT TARGET ${owner})
    return()
  endif()
  target_precompile_headers(${owner} PRIVATE ${arg_HEADERS})
  foreach(target ${arg_UNPARSED_ARGUMENTS})
    if(TARGET ${target})
      target_precompile_headers(${target} REUSE_FROM ${owner})
    endif()
  endforeach()
endfunction()

walden_precompile(walden_security walden_call walden_read walden_entry walden_append walden_admin
                  walden_metrics walden_grpc walden_daemon walden_cli
                  HEADERS ${rpc_headers})
if(WALDEN_PRECOMPILE STREQUAL "RPC")
  return()
endif()

# Of what was precompiled GCC 12 forgets that it is the system's, and then warns of std::string where
# long literals are made into one, as tests do. To be linked behind walden_flags.
add_library(walden_precompiled_strings INTERFACE)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(walden_precompiled_strings
                         INTERFACE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow
                                   -Wno-stringop-overread)
endif()

set(engine_tests base_test segment_test rocksdb_test entry_test backup_test transfer_test engine_test
                 walden_conformance)
foreach(target walden_bench server_test cli_test ${engine_tests})
  if(TARGET ${target})
    target_link_libraries(${target} PRIVATE walden_precompiled_strings)
  endif()
endforeach()

walden_precompile(walden_base walden_engine walden_statistics walden_limits walden_region walden_log
                  walden_net walden_observation walden_status walden_config
                  HEADERS ${common_headers})
walden_precompile(base_test config_test segment_test rocksdb_test entry_test backup_test transfer_test
                  engine_test region_test
                  HEADERS ${common_headers} ${test_headers})
walden_precompile(walden_conformance HEADERS ${common_headers} ${test_headers})
walden_precompile(server_test cli_test HEADERS ${rpc_headers} ${test_headers})
walden_precompile(walden_bench HEADERS ${rpc_headers})
