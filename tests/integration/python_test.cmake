# walden_add_python_test(NAME name SCRIPT file [ARGUMENTS a...] [LABEL label] [TIMEOUT seconds]
#                        [ENGINE engine] [CONFIGURATION c] [SERIAL])
# A test of the built programs by Debian's Python (which has python3-grpcio). It makes its stubs from
# proto/ alone. ENGINE is that of the namespaces of its daemons, if the script names none. With a
# CONFIGURATION it runs only when ctest is told so (-C).
include_guard(GLOBAL)

function(walden_add_python_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "SERIAL" "NAME;SCRIPT;LABEL;TIMEOUT;ENGINE;CONFIGURATION" "ARGUMENTS")
  add_test(NAME ${arg_NAME}
    COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/${arg_SCRIPT} ${arg_ARGUMENTS}
    CONFIGURATIONS ${arg_CONFIGURATION})
  set(environment
    PYTHONDONTWRITEBYTECODE=1
    WALDEN_TEST_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}
    WALDEN_TEST_PROTO_DIR=${PROJECT_SOURCE_DIR}/proto
    WALDEN_TEST_STUBS_DIR=${PROJECT_BINARY_DIR}/python-stubs)
  if(arg_ENGINE)
    list(APPEND environment WALDEN_TEST_ENGINE=${arg_ENGINE})
  endif()
  set_tests_properties(${arg_NAME} PROPERTIES
    LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "${environment}")
  if(arg_SERIAL)
    set_tests_properties(${arg_NAME} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()
