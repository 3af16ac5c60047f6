// base/sha256.h - SHA-256 (FIPS 180-4) of a few bytes: an identity that does not show what it is made of.
//
// Not for passwords, and not where speed counts.
//
// Threads:  pure
// Blocks:   never
// Memory:   none; 400 bytes of stack
// Errors:   none
#ifndef ROOST_BASE_SHA256_H_
#define ROOST_BASE_SHA256_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace roost::internal {

// The 32 bytes.
std::array<uint8_t, 32> Sha256(std::string_view data);
// The same in 64 lower-case hexadecimal digits.
std::array<char, 64> HexSha256(std::string_view data);

}  // namespace roost::internal

#endif  // ROOST_BASE_SHA256_H_
