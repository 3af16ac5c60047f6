// include/roost/version.h - which version of roostpool the headers are, and which the library is.
//
// ROOST_VERSION is for #if. Versions with equal MAJOR.MINOR have one ABI: the layout of classes, the
// inline code of the headers, and the symbols of libroostpool.so. The linker refuses a PoolFor whose
// headers have another MAJOR.MINOR than the library, as where headers of /usr/local meet a library of
// /usr; the symbol that it misses has the version of the headers in its name. A later PATCH of the
// library may stand in for an earlier one.
//
// Threads:  constants; LibraryVersion from any thread
// Blocks:   never
// Memory:   none
// Errors:   #error when the compiler is told of an older C++ than C++20
// Example:
//   static_assert(ROOST_VERSION >= 1000, "this firmware needs roostpool 0.1");
#ifndef ROOST_VERSION_H_
#define ROOST_VERSION_H_

#if __cplusplus < 202002L
#error "roostpool needs C++20: compile with -std=c++20"
#endif

// The first number of the version of these headers. The build compares the version with that of
// CMakeLists.txt.
#define ROOST_VERSION_MAJOR 0
// Its second number.
#define ROOST_VERSION_MINOR 1
// Its third number.
#define ROOST_VERSION_PATCH 0
// As one number that grows with each version: 1002003 for 1.2.3, 1000 for 0.1.0.
#define ROOST_VERSION \
  (ROOST_VERSION_MAJOR * 1000000 + ROOST_VERSION_MINOR * 1000 + ROOST_VERSION_PATCH)

// "0.1": what is compatible with each other. The shared library is libroostpool.so.0.1.
#define ROOST_ABI_STRING \
  ROOST_INTERNAL_TEXT(ROOST_VERSION_MAJOR) "." ROOST_INTERNAL_TEXT(ROOST_VERSION_MINOR)

// The whole version as text, such as 0.1.0.
#define ROOST_VERSION_STRING ROOST_ABI_STRING "." ROOST_INTERNAL_TEXT(ROOST_VERSION_PATCH)

// Two macros each: the first has its arguments expanded.
#define ROOST_INTERNAL_TEXT(x) ROOST_INTERNAL_TEXT_OF(x)
// See ROOST_INTERNAL_TEXT.
#define ROOST_INTERNAL_TEXT_OF(x) #x
// The name of the function that only a library of this version has.
#define ROOST_INTERNAL_JOIN(major, minor) ROOST_INTERNAL_JOIN_OF(major, minor)
// See ROOST_INTERNAL_JOIN.
#define ROOST_INTERNAL_JOIN_OF(major, minor) HeadersAndLibraryAreOf_##major##_##minor

// What is declared up to the pop is what libroostpool.so exports; so in each public header.
#pragma GCC visibility push(default)
namespace roost {

// The version of the library that the program runs with, as in ROOST_VERSION_STRING. Beside a shared
// library it may have another PATCH than the headers had.
const char* LibraryVersion();

namespace internal {
// HeadersAndLibraryAreOf_0_1() of the library is empty; each PoolFor calls it.
void ROOST_INTERNAL_JOIN(ROOST_VERSION_MAJOR, ROOST_VERSION_MINOR)();
inline void CheckVersion() { ROOST_INTERNAL_JOIN(ROOST_VERSION_MAJOR, ROOST_VERSION_MINOR)(); }
}  // namespace internal

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_VERSION_H_
