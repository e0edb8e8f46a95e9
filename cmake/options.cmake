# Compiler options that every target shares.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(mk_options INTERFACE)
target_compile_options(mk_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Werror
  # GCC 12 reports a false -Wrestrict on plain string concatenation once inlining is deep (cpp-stack.md section 8).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  # GCC 12 with optimisation: false -Warray-bounds in nlohmann's destructors (std::map<..., json> seen through JSON_DIAGNOSTICS),
  # false -Wmaybe-uninitialized for an empty std::optional of a chrono type (GCC bug 80635). Debug builds keep both.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<NOT:$<CONFIG:Debug>>>:-Wno-array-bounds>
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<NOT:$<CONFIG:Debug>>>:-Wno-maybe-uninitialized>
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
target_compile_definitions(mk_options INTERFACE _GLIBCXX_ASSERTIONS JSON_DIAGNOSTICS=1 MK_VERSION="${PROJECT_VERSION}")
target_include_directories(mk_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(mk_options INTERFACE Threads::Threads)

set(MK_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")
if(MK_SANITIZE)
  target_compile_options(mk_options INTERFACE -fsanitize=${MK_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(mk_options INTERFACE -fsanitize=${MK_SANITIZE})
endif()
