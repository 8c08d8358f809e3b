# One place for compiler flags. The target walden_flags carries them to our own code only.
add_library(walden_flags INTERFACE)
target_compile_options(walden_flags INTERFACE -Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(walden_flags INTERFACE -Wthread-safety -Wno-gnu-zero-variadic-macro-arguments)
endif()

# For targets whose code runs once in the life of a process: compiled in half the time.
add_library(walden_runs_once INTERFACE)
target_compile_options(walden_runs_once INTERFACE $<$<CONFIG:RelWithDebInfo>:-O1>)

if(WALDEN_SANITIZE)
  add_compile_options(-fsanitize=${WALDEN_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${WALDEN_SANITIZE})
  if(WALDEN_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=all)
  endif()
  if(WALDEN_SANITIZE MATCHES "thread")
    # Before Abseil's library in every link, so that its definitions come first.
    add_library(walden_tsan SHARED ${CMAKE_CURRENT_LIST_DIR}/tsan_abseil.cc)
    target_link_libraries(walden_tsan PRIVATE ${CMAKE_DL_LIBS})
    link_libraries(walden_tsan)
  endif()
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # What ccache and GCC want said before they cache files with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)
  endif()
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

# waldend, walden and walden_bench, where people and scripts find them.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
