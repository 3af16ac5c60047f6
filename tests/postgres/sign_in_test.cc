// How many iterations of SCRAM a server asks for, found in its bytes however they are cut.
#include "backends/postgres/sign_in.h"

#include <string>

#include "gtest/gtest.h"

namespace roost::postgres {
namespace {

std::string Int32(int64_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(value >> shift & 0xff));
  return bytes;
}

std::string Request(int kind, const std::string& rest) {
  return "R" + Int32(static_cast<int64_t>(rest.size()) + 8) + Int32(kind) + rest;
}

std::string Continue(const std::string& iterations) {
  return Request(11, "r=nonce,s=c2FsdA==,i=" + iterations);
}

const std::string kSasl = Request(10, std::string("SCRAM-SHA-256\0\0", 15));

TEST(SignInTest, SeesTheIterations) {
  EXPECT_EQ(SignInReader().Take(kSasl), 0);
  EXPECT_EQ(SignInReader().Take(kSasl + Continue("4096")), 4096);
  EXPECT_EQ(SignInReader().Take(Continue("2147483647")), 2147483647);
}

TEST(SignInTest, SeesWhatStrtolWouldTake) {
  EXPECT_EQ(SignInReader().Take(Continue(" +123456")), 123456);
  EXPECT_GT(SignInReader().Take(Continue("99999999999999999999999")), SignIn::kMostIterations);
  EXPECT_EQ(SignInReader().Take(Request(11, "r=i=7,s=i=8,i=200000,i=9")), 200000);
}

TEST(SignInTest, SeesThemInPieces) {
  const std::string all = kSasl + Continue("200000");
  for (size_t cut = 0; cut < all.size(); ++cut) {
    SignInReader reader;
    EXPECT_EQ(reader.Take(all.substr(0, cut)), 0);
    EXPECT_EQ(reader.Take(all.substr(cut)), 200000);
  }
  SignInReader reader;
  int64_t most = 0;
  for (const char byte : all) most = std::max(most, reader.Take({&byte, 1}));
  EXPECT_EQ(most, 200000);
}

TEST(SignInTest, ARequestForThePasswordItselfIsSeen) {
  SignInReader reader;
  const std::string request = Request(3, "");
  reader.Take(request.substr(0, 7));
  EXPECT_FALSE(reader.wants_password());
  reader.Take(request.substr(7));
  EXPECT_TRUE(reader.wants_password());
}

TEST(SignInTest, LooksNoFurtherThanTheEndOfTheSignIn) {
  EXPECT_EQ(SignInReader().Take(Request(0, "") + Continue("200000")), 0);
  EXPECT_EQ(SignInReader().Take("R" + Int32(3) + Continue("200000")), 0);
  EXPECT_EQ(SignInReader().Take("R" + Int32(0x7fffffff) + Continue("200000")), 0);
}

}  // namespace
}  // namespace roost::postgres
