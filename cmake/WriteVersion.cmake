# Writes version.cc:
#   cmake -DSOURCE_DIR=... -DOUTPUT=... -DWALDEN_VERSION=... [-DWALDEN_COMMIT=...] -P WriteVersion.cmake
# Without WALDEN_COMMIT it is the commit that is checked out now, "unknown" outside a repository.
find_package(Git QUIET)
if(NOT WALDEN_COMMIT AND GIT_FOUND AND EXISTS ${SOURCE_DIR}/.git)
  execute_process(
    COMMAND ${GIT_EXECUTABLE} describe --always --dirty
    WORKING_DIRECTORY ${SOURCE_DIR}
    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(WALDEN_COMMIT "${described}")
  endif()
endif()
if(NOT WALDEN_COMMIT)
  set(WALDEN_COMMIT "unknown")
endif()
configure_file(${SOURCE_DIR}/base/version.cc.in ${OUTPUT} @ONLY)  # unchanged if it says the same
