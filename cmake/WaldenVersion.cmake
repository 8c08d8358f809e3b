# walden_version: base/version.h. Its source is written again when a commit is made or checked out and
# when a source of the programs changes, so that --version never names a commit of another build.
set(WALDEN_COMMIT "" CACHE STRING "Commit that --version names; empty: the one that is checked out")
find_package(Git QUIET)
set(version_inputs ${PROJECT_SOURCE_DIR}/base/version.cc.in ${CMAKE_CURRENT_LIST_DIR}/WriteVersion.cmake)
foreach(folder base engine config server cli proto)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*)
  list(APPEND version_inputs ${files})
endforeach()
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --git-path logs/HEAD
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    OUTPUT_VARIABLE head_log OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  cmake_path(ABSOLUTE_PATH head_log BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(EXISTS "${head_log}" AND NOT IS_DIRECTORY "${head_log}")
    list(APPEND version_inputs ${head_log})
  endif()
endif()

set(version_source ${PROJECT_BINARY_DIR}/version.cc)
add_custom_command(OUTPUT ${version_source}
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DOUTPUT=${version_source}
          -DWALDEN_VERSION=${PROJECT_VERSION} -DWALDEN_COMMIT=${WALDEN_COMMIT}
          -P ${CMAKE_CURRENT_LIST_DIR}/WriteVersion.cmake
  DEPENDS ${version_inputs} VERBATIM
  COMMENT "Writing the version and the commit")
add_library(walden_version STATIC ${version_source})
target_link_libraries(walden_version PRIVATE walden_flags)
