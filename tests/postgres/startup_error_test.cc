#include "backends/postgres/startup_error.h"

#include <netdb.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace roost::postgres {
namespace {

using absl::StatusCode;
using enum FaultScope;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Refusal {
  const char* sqlstate;
  StatusCode code;
  FaultScope fault_scope;
};

TEST(StartupErrorTest, EachSqlStateAsksForTheRightNextStep) {
  constexpr Refusal kRefusals[] = {
      // By itself over soon.
      {"57P03", StatusCode::kUnavailable, kAllOlder},
      {"57P02", StatusCode::kUnavailable, kAllOlder},
      {"57P01", StatusCode::kUnavailable, kConnectionSuspectOlder},
      {"08001", StatusCode::kUnavailable, kConnectionSuspectOlder},
      {"08004", StatusCode::kUnavailable, kConnectionSuspectOlder},
      {"08006", StatusCode::kUnavailable, kConnectionSuspectOlder},
      {"53300", StatusCode::kResourceExhausted, kStatement},
      {"53200", StatusCode::kResourceExhausted, kStatement},
      {"53100", StatusCode::kResourceExhausted, kStatement},
      {"53400", StatusCode::kResourceExhausted, kStatement},
      {"58000", StatusCode::kUnavailable, kStatement},
      {"XX000", StatusCode::kUnavailable, kStatement},
      {"40P01", StatusCode::kUnavailable, kStatement},
      {"23505", StatusCode::kUnavailable, kStatement},
      {"25006", StatusCode::kUnavailable, kStatement},
      {"ZZ999", StatusCode::kUnavailable, kStatement},
      // For a person.
      {"28P01", StatusCode::kUnauthenticated, kStatement},
      {"28000", StatusCode::kPermissionDenied, kStatement},
      {"42501", StatusCode::kPermissionDenied, kStatement},
      {"3D000", StatusCode::kNotFound, kStatement},
      {"42704", StatusCode::kInvalidArgument, kStatement},
      {"22023", StatusCode::kInvalidArgument, kStatement},
      {"08P01", StatusCode::kInvalidArgument, kStatement},
      {"55000", StatusCode::kFailedPrecondition, kStatement},
      {"0A000", StatusCode::kFailedPrecondition, kStatement},
  };
  for (const Refusal& refusal : kRefusals) {
    const StartupFinding finding =
        ClassifyStartup({.phase = Phase::kSignIn, .sqlstate = refusal.sqlstate});
    EXPECT_EQ(finding.code, refusal.code) << refusal.sqlstate;
    EXPECT_EQ(finding.fault_scope, refusal.fault_scope) << refusal.sqlstate;
    EXPECT_FALSE(finding.other_address) << refusal.sqlstate;
  }
}

TEST(StartupErrorTest, PgBouncersRefusalsAreToldApartByTheirWords) {
  const auto code = [](std::string_view message) {
    return ClassifyStartup({.phase = Phase::kSignIn, .sqlstate = "08P01", .message = message}).code;
  };
  EXPECT_EQ(code("unsupported startup parameter: options"), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("no such database: farm"), StatusCode::kNotFound);
  EXPECT_EQ(code("database \"farm\" does not exist"), StatusCode::kNotFound);
  EXPECT_EQ(code("no such user: timeout"), StatusCode::kUnauthenticated);
  EXPECT_EQ(code("password authentication failed"), StatusCode::kUnauthenticated);
  EXPECT_EQ(code("SASL authentication failed"), StatusCode::kUnauthenticated);
  EXPECT_EQ(code("auth failed"), StatusCode::kUnauthenticated);
  EXPECT_EQ(code("no more connections allowed (max_client_conn)"), StatusCode::kUnavailable);
  EXPECT_EQ(code("pgbouncer cannot connect to server"), StatusCode::kUnavailable);
  EXPECT_EQ(code("query_wait_timeout"), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(ClassifyStartup({.sqlstate = "08P01"}).advice), HasSubstr("PgBouncer"));
}

StartupFinding Silent(Phase phase, std::string_view message, bool hung_up) {
  return ClassifyStartup({.phase = phase, .message = message, .hung_up = hung_up});
}

TEST(StartupErrorTest, ALinkThatBreaksMakesOlderConnectionsSuspectAndTriesTheNextAddress) {
  for (const Phase phase : {Phase::kConnect, Phase::kEncrypt, Phase::kSignIn}) {
    const StartupFinding finding = Silent(phase, "server closed the connection", true);
    EXPECT_EQ(finding.code, StatusCode::kUnavailable);
    EXPECT_EQ(finding.fault_scope, kConnectionSuspectOlder);
    EXPECT_TRUE(finding.other_address);
  }
}

TEST(StartupErrorTest, AServerWithoutRoomForAProcessIsAway) {
  for (const char* const message :
       {"could not fork new process for connection: Cannot allocate memory",
        "connection to server at \"10.0.0.7\", port 5432 failed: could not fork new process for "
        "connection: Resource temporarily unavailable",
        "could not create new process: Cannot allocate memory"}) {
    const StartupFinding finding = Silent(Phase::kSignIn, message, false);
    EXPECT_EQ(finding.code, StatusCode::kUnavailable) << message;
    EXPECT_TRUE(finding.other_address) << message;
    EXPECT_EQ(finding.fault_scope, kStatement) << message;  // the others are as good as before
  }
  const StartupFinding kept =
      Silent(Phase::kEncrypt, "server sent an error response during SSL exchange", false);
  EXPECT_EQ(kept.code, StatusCode::kUnavailable);
  const StartupFinding other =
      Silent(Phase::kSignIn, "expected authentication request from server, but received H", false);
  EXPECT_EQ(other.code, StatusCode::kFailedPrecondition);
}

TEST(StartupErrorTest, ACertificateThatIsRefusedSaysHowToChooseOtherwise) {
  const char* const kMessages[] = {"SSL error: certificate verify failed",
                                   "root certificate file \"/x/root.crt\" does not exist",
                                   "server does not support SSL, but SSL was required",
                                   "server certificate for \"a\" does not match host name \"b\""};
  for (const char* const message : kMessages) {
    const StartupFinding finding = Silent(Phase::kEncrypt, message, false);
    EXPECT_EQ(finding.code, StatusCode::kFailedPrecondition) << message;
    EXPECT_THAT(std::string(finding.advice), HasSubstr("sslrootcert=FILE")) << message;
    EXPECT_THAT(std::string(finding.advice), HasSubstr("sslmode=require")) << message;
  }
}

TEST(StartupErrorTest, WithAClockThatIsNotSetACertificateIsNobodysFault) {
  const StartupFinding finding = ClassifyStartup({.phase = Phase::kEncrypt,
                                                  .message = "SSL error: certificate verify failed",
                                                  .clock_unset = true});
  EXPECT_EQ(finding.code, StatusCode::kUnavailable);
  EXPECT_THAT(std::string(finding.advice), HasSubstr("clock is not set"));
}

TEST(StartupErrorTest, AClientCertificateThatIsRefusedLaterIsAboutCertificates) {
  const StartupFinding finding =
      Silent(Phase::kSignIn, "SSL error: tlsv13 alert certificate required", true);
  EXPECT_EQ(finding.code, StatusCode::kFailedPrecondition);
}

TEST(StartupErrorTest, APasswordThatIsMissingIsAskedFor) {
  const StartupFinding finding = ClassifyStartup(
      {.phase = Phase::kSignIn, .message = "fe_sendauth: no password", .needs_password = true});
  EXPECT_EQ(finding.code, StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(finding.advice), HasSubstr(".pgpass"));
}

TEST(StartupErrorTest, ANameThatDoesNotExistIsForAPerson) {
  EXPECT_EQ(ClassifyLookup(EAI_NONAME).code, StatusCode::kNotFound);
  EXPECT_EQ(ClassifyLookup(EAI_NODATA).code, StatusCode::kNotFound);
  EXPECT_EQ(ClassifyLookup(EAI_AGAIN).code, StatusCode::kUnavailable);
  EXPECT_EQ(ClassifyLookup(EAI_FAIL).code, StatusCode::kUnavailable);
  EXPECT_EQ(ClassifyLookup(EAI_MEMORY).code, StatusCode::kResourceExhausted);
}

// ---- Messages ----

TEST(StartupMessageTest, TheSqlStateIsFoundInEveryLanguage) {
  for (const char* const text :
       {"connection to server at \"h\" (1.2.3.4), port 5432 failed: FATAL:  57P03: the words\n"
        "LOCATION:  ProcessStartupPacket, postmaster.c:2312\n",
        "Verbindung zum Server auf \"h\" fehlgeschlagen: FATAL:  57P03: the words\n"
        "ORT:  ProcessStartupPacket, postmaster.c:2312\n",
        "FATAL:  57P03: the words"}) {
    const StartupMessage message = ReadStartupMessage(text);
    EXPECT_EQ(message.sqlstate, "57P03") << text;
    EXPECT_EQ(message.text, "the words") << text;
  }
}

TEST(StartupMessageTest, DetailAndHintStayTheLocationGoes) {
  const StartupMessage message = ReadStartupMessage(
      "FATAL:  3D000: database \"x\" does not exist\nDETAIL:  It seems to have just been dropped.\n"
      "HINT:  Look elsewhere.\nLOCATION:  InitPostgres, postinit.c:887\n");
  EXPECT_EQ(message.text,
            "database \"x\" does not exist DETAIL:  It seems to have just been dropped. "
            "HINT:  Look elsewhere.");
}

TEST(StartupMessageTest, WithoutOneAllOfItIsWordsOnOneLine) {
  const StartupMessage message = ReadStartupMessage(
      "connection to server at \"127.0.0.1\", port 1 failed: Connection refused\n"
      "\tIs the server running on that host and accepting TCP/IP connections?\n");
  EXPECT_THAT(message.sqlstate, IsEmpty());
  EXPECT_EQ(message.text,
            "connection to server at \"127.0.0.1\", port 1 failed: Connection refused")
      << "without libpq's advice";
}

TEST(StartupMessageTest, WhatOnlyLooksLikeOneIsNone) {
  EXPECT_THAT(ReadStartupMessage("failed:  57P0: x").sqlstate, IsEmpty());
  EXPECT_THAT(ReadStartupMessage("failed:  57p03: x").sqlstate, IsEmpty());
  EXPECT_THAT(ReadStartupMessage("failed:  ").sqlstate, IsEmpty());
  EXPECT_THAT(ReadStartupMessage("").text, IsEmpty());
}

TEST(PhaseTest, EachHasWordsForADeadline) {
  for (const Phase phase : {Phase::kLookUp, Phase::kConnect, Phase::kEncrypt, Phase::kSignIn,
                            Phase::kAskRole, Phase::kOnConnect, Phase::kDone}) {
    EXPECT_FALSE(Name(phase).empty());
  }
}

}  // namespace
}  // namespace roost::postgres
