// The table of what a HostilePostgres can do wrong.
#include <chrono>
#include <string>

#include "tests/support/hostile_session.h"

namespace roost::support {
namespace {

using namespace std::chrono_literals;
using S = HostileSession;

constexpr size_t kMiB = size_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;
constexpr size_t kHuge = 24 * kMiB;

// ---- larger pieces --------------------------------------------------------------------------------

// A message that announces `length` bytes and brings as many as are taken.
void Announced(S& s, char type, int64_t length, std::string_view begin = {}) {
  s.Send(Announce(type, length).append(begin));
  s.Flood(std::string(1, 'x'));
}

// A message with `begin`, `count` times x, and `end` in it, which is what it says it is.
void Honest(S& s, char type, std::string_view begin, size_t count, std::string_view end) {
  const size_t length = 4 + begin.size() + count + end.size();
  s.SendFilled(Announce(type, static_cast<int64_t>(length)).append(begin), count, 'x', end);
}

std::string Field(char type, std::string_view value) { return type + Text(value); }

// An error whose SQLSTATE and words are what they are.
void Fail(S& s, std::string_view sqlstate, std::string_view words) {
  s.Send(Trouble("ERROR", sqlstate, words));
  s.GoOnAfterError();
}

// An error of these fields, whatever they are.
void FailWith(S& s, std::string_view fields) {
  s.Send(Message('E', fields));
  s.GoOnAfterError();
}

std::string NewParameter(uint64_t number) {
  return Parameter("hostile." + std::to_string(number), "x");
}

constexpr std::string_view kHttp =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html></html>";

// What a terminal, a log or a reader of UTF-8 must not be given.
constexpr std::string_view kControls =
    "a\x1b[31mOWNED\x1b]0;title\x07\r\nNov 29 00:00:00 host sshd[1]: Accepted password\n<0>x\x7f"
    "\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\xff\xed\xa0\x80";

std::string CopyHead(char type) {
  return Message(type, std::string(1, '\0') + Int16(1) + Int16(0));
}

std::string WholeResult() { return Description() + Row() + Complete("SELECT 1"); }

// ---- signing in -----------------------------------------------------------------------------------

constexpr std::string_view kWithPassword = "password=secret";

void AskForScram(S& s) { s.Send(Authentication(10, Text("SCRAM-SHA-256") + '\0')); }

// Takes the client's first SCRAM message; its nonce.
std::string ScramNonce(S& s) {
  AskForScram(s);
  if (!s.Receive()) return "";
  const std::string& body = s.received().body;
  const size_t at = body.rfind("r=");
  return at == std::string::npos ? "" : body.substr(at + 2);
}

// SCRAM as far as the server's first message, of which `rest` follows the nonce.
void Scram(S& s, std::string_view rest) {
  const std::string nonce = ScramNonce(s);
  s.Send(Authentication(11, "r=" + nonce + "server" + std::string(rest)));
  s.Hold();
}

constexpr std::string_view kSalt = ",s=c2FsdHNhbHRzYWx0,i=";

// Everything is as it should be, but this is what the server says of itself.
void StartWith(S& s, std::string_view parameters) {
  const std::string_view answer = s.answer();
  const size_t end = answer.find('K');  // no name or value of a parameter has one
  s.Send(std::string(answer.substr(0, end)).append(parameters).append(answer.substr(end)));
}

// ---- the table ------------------------------------------------------------------------------------

constexpr HostileMode kModes[] = {
    // -- before the first byte of the client --
    {"accept_silent", Place::kAccept, "accepts and says nothing", [](S& s) { s.Hold(); }},
    {"accept_close", Place::kAccept, "closes at once", [](S& s) { s.Close(); }},
    {"accept_reset", Place::kAccept, "resets at once", [](S& s) { s.Reset(); }},
    {"accept_half_close", Place::kAccept, "sends its end and stays", [](S& s) { s.HalfClose(); }},
    {"accept_talk", Place::kAccept, "answers before it is asked",
     [](S& s) {
       s.Send(Authentication(0) + Ready());
       s.Hold();
     }},
    {"accept_flood", Place::kAccept, "zeros without end", [](S& s) { s.Flood({"\0", 1}); }},
    {"accept_http", Place::kAccept, "speaks HTTP",
     [](S& s) {
       s.Send(kHttp);
       s.Hold();
     }},

    // -- the answer to SSLRequest --
    {"tls_silent", Place::kTls, "says nothing", [](S& s) { s.Hold(); }, "sslmode=prefer"},
    {"tls_close", Place::kTls, "closes", [](S& s) { s.Close(); }, "sslmode=prefer"},
    {"tls_refused", Place::kTls, "has no TLS", [](S& s) { s.Answer(); }, "sslmode=prefer"},
    {"tls_error", Place::kTls, "an error in clear text, with control characters",
     [](S& s) { s.Send(Trouble("FATAL", "XX000", kControls)); }, "sslmode=prefer"},
    {"tls_unknown", Place::kTls, "a byte that means nothing",
     [](S& s) {
       s.Send("x");
       s.Hold();
     },
     "sslmode=prefer"},
    {"tls_then_silent", Place::kTls, "agrees and says nothing",
     [](S& s) {
       s.Send("S");
       s.Hold();
     },
     "sslmode=prefer"},
    {"tls_then_close", Place::kTls, "agrees and closes",
     [](S& s) {
       s.Send("S");
       s.Close();
     },
     "sslmode=prefer"},
    {"tls_then_noise", Place::kTls, "agrees, then noise without end",
     [](S& s) {
       s.Send("S");
       s.FloodNoise();
     },
     "sslmode=prefer"},
    {"tls_then_records", Place::kTls, "agrees, then records of TLS that never end a message",
     [](S& s) {
       s.Send("S");
       // A handshake record of 4 bytes: a ServerHello of 16 MB that comes in such pieces.
       s.Send(std::string("\x16\x03\x03\x00\x04\x02\xff\xff\xff", 9));
       s.Flood(std::string("\x16\x03\x03\x00\x04zzzz", 9));
     },
     "sslmode=prefer"},
    {"tls_then_alerts", Place::kTls, "agrees, then warnings of TLS without end",
     [](S& s) {
       s.Send("S");
       s.Flood(std::string("\x15\x03\x03\x00\x02\x01\x5a", 7));
     },
     "sslmode=prefer"},
    {"tls_then_slow", Place::kTls, "agrees, then a ServerHello a byte at a time",
     [](S& s) {
       s.Send("S");
       s.FloodSlowly(std::string("\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", 9), 10ms);
     },
     "sslmode=prefer"},
    {"tls_injected", Place::kTls, "agrees, with clear text behind it in one piece",
     [](S& s) {
       s.Send("S" + Authentication(0) + Ready());
       s.Hold();
     },
     "sslmode=prefer"},
    {"tls_old_error", Place::kTls, "an error of old servers without end",
     [](S& s) {
       s.Send("E");
       s.Flood("y");
     },
     "sslmode=prefer"},

    // -- signing in --
    {"auth_unknown", Place::kStartup, "asks for authentication 777",
     [](S& s) {
       s.Send(Authentication(777));
       s.Hold();
     }},
    {"auth_negative", Place::kStartup, "a request of -1 bytes",
     [](S& s) {
       s.Send(Announce('R', -1) + Int32(0));
       s.Hold();
     }},
    {"auth_2gb", Place::kStartup, "a request of 2 GiB",
     [](S& s) { Announced(s, 'R', 0x7ffffff0, Int32(0)); }},
    {"auth_short", Place::kStartup, "a request of no kind",
     [](S& s) {
       s.Send(Message('R'));
       s.Hold();
     }},
    {"auth_kerberos", Place::kStartup, "asks for Kerberos 5",
     [](S& s) {
       s.Send(Authentication(2));
       s.Hold();
     }},
    {"auth_gss", Place::kStartup, "asks for GSSAPI",
     [](S& s) {
       s.Send(Authentication(7));
       s.Hold();
     }},
    {"auth_gss_continue", Place::kStartup, "goes on with GSSAPI that was never begun",
     [](S& s) {
       s.Send(Authentication(8, "token"));
       s.Hold();
     }},
    {"auth_sspi", Place::kStartup, "asks for SSPI",
     [](S& s) {
       s.Send(Authentication(9));
       s.Hold();
     }},
    {"auth_no_password", Place::kStartup, "asks for a password that nobody gave",
     [](S& s) {
       s.Send(Authentication(3));
       s.Hold();
     }},
    {"auth_password_flood", Place::kStartup, "asks for the password again and again",
     [](S& s) { s.Flood(Authentication(3)); }, kWithPassword},
    {"auth_md5_short", Place::kStartup, "asks for MD5 with half a salt",
     [](S& s) {
       s.Send(Authentication(5, "ab"));
       s.Hold();
     },
     kWithPassword},
    {"auth_md5_flood", Place::kStartup, "asks for MD5 again and again",
     [](S& s) { s.Flood(Authentication(5, "salt")); }, kWithPassword},
    {"auth_ok_flood", Place::kStartup, "lets the client in again and again",
     [](S& s) { s.Flood(Authentication(0)); }},
    {"auth_ok_silent", Place::kStartup, "lets the client in and says nothing",
     [](S& s) {
       s.Send(Authentication(0));
       s.Hold();
     }},
    {"auth_ok_close", Place::kStartup, "lets the client in and closes",
     [](S& s) {
       s.Send(Authentication(0));
       s.Close();
     }},
    {"sasl_none", Place::kStartup, "SASL without mechanisms",
     [](S& s) {
       s.Send(Authentication(10, {"\0", 1}));
       s.Hold();
     },
     kWithPassword},
    {"sasl_unknown", Place::kStartup, "SASL by a mechanism that nobody knows",
     [](S& s) {
       s.Send(Authentication(10, Text("HOSTILE-1") + '\0'));
       s.Hold();
     },
     kWithPassword},
    {"sasl_no_end", Place::kStartup, "a list of mechanisms without an end",
     [](S& s) {
       s.Send(Authentication(10, "SCRAM-SHA-256"));
       s.Hold();
     },
     kWithPassword},
    {"sasl_huge", Place::kStartup, "a list of mechanisms of 24 MiB",
     [](S& s) {
       Honest(s, 'R', Int32(10), kHuge, {"\0\0", 2});
       s.Hold();
     },
     kWithPassword},
    {"sasl_flood", Place::kStartup, "begins SASL again and again",
     [](S& s) { s.Flood(Authentication(10, Text("SCRAM-SHA-256") + '\0')); }, kWithPassword},
    {"scram_silent", Place::kStartup, "says nothing to the client's first message",
     [](S& s) {
       AskForScram(s);
       s.Hold();
     },
     kWithPassword},
    {"scram_refused", Place::kStartup, "wrong password",
     [](S& s) {
       s.Send(Authentication(11, "r=" + ScramNonce(s) + "server" + std::string(kSalt) + "4096"));
       if (s.Receive()) Fail(s, "28P01", "password authentication failed");
     },
     kWithPassword},
    {"scram_iterations", Place::kStartup, "wants 2^31 - 1 iterations",
     [](S& s) { Scram(s, std::string(kSalt) + "2147483647"); }, kWithPassword},
    {"scram_zero", Place::kStartup, "wants no iteration",
     [](S& s) { Scram(s, std::string(kSalt) + "0"); }, kWithPassword},
    {"scram_negative", Place::kStartup, "wants less than none",
     [](S& s) { Scram(s, std::string(kSalt) + "-1"); }, kWithPassword},
    {"scram_beyond", Place::kStartup, "wants more iterations than a number holds",
     [](S& s) { Scram(s, std::string(kSalt) + "99999999999999999999"); }, kWithPassword},
    {"scram_salt", Place::kStartup, "a salt that is no base64",
     [](S& s) { Scram(s, ",s=!!!!,i=4096"); }, kWithPassword},
    {"scram_no_salt", Place::kStartup, "no salt", [](S& s) { Scram(s, ",i=4096"); },
     kWithPassword},
    {"scram_nonce", Place::kStartup, "another nonce than the client's",
     [](S& s) {
       ScramNonce(s);
       s.Send(Authentication(11, "r=another" + std::string(kSalt) + "4096"));
       s.Hold();
     },
     kWithPassword},
    {"scram_huge", Place::kStartup, "a first message of 24 MiB",
     [](S& s) {
       const std::string nonce = ScramNonce(s);
       Honest(s, 'R', Int32(11) + "r=" + nonce, kHuge, std::string(kSalt) + "4096");
       s.Hold();
     },
     kWithPassword},
    {"scram_no_end", Place::kStartup, "a first message that is cut off",
     [](S& s) {
       const std::string nonce = ScramNonce(s);
       s.Send(Announce('R', 200) + Int32(11) + "r=" + nonce);
       s.Hold();
     },
     kWithPassword},
    {"scram_final_first", Place::kStartup, "the final message in place of the first",
     [](S& s) {
       ScramNonce(s);
       s.Send(Authentication(12, "v=c2lnbmF0dXJl"));
       s.Hold();
     },
     kWithPassword},
    {"scram_wrong_proof", Place::kStartup, "a proof that proves nothing",
     [](S& s) {
       s.Send(Authentication(11, "r=" + ScramNonce(s) + "server" + std::string(kSalt) + "4096"));
       if (s.Receive()) s.Send(Authentication(12, "v=c2lnbmF0dXJl"));
       s.Hold();
     },
     kWithPassword},
    {"scram_continue_flood", Place::kStartup, "goes on with SCRAM again and again",
     [](S& s) {
       const std::string nonce = ScramNonce(s);
       s.Flood(Authentication(11, "r=" + nonce + "server" + std::string(kSalt) + "1"));
     },
     kWithPassword},

    // -- what the server says of itself --
    {"start_parameters_none", Place::kStartup, "says nothing of itself",
     [](S& s) { s.Send(Authentication(0) + Ready()); }},
    {"start_parameter_huge", Place::kStartup, "a value of 24 MiB",
     [](S& s) {
       s.Send(Authentication(0));
       Honest(s, 'S', Text("TimeZone"), kHuge, {"\0", 1});
       s.Hold();
     }},
    {"start_parameter_cut", Place::kStartup, "a parameter without the end of its value",
     [](S& s) { StartWith(s, Message('S', Text("TimeZone") + "U")); }},
    {"start_parameter_empty", Place::kStartup, "a parameter without a name",
     [](S& s) { StartWith(s, Message('S')); }},
    {"start_parameters_30k", Place::kStartup, "parameters of 30,000 characters without end",
     [](S& s) {
       s.Send(Authentication(0));
       s.Flood(Parameter(std::string(14'000, 'n'), std::string(14'000, 'v')));
     }},
    {"start_version", Place::kStartup, "a version that is no number",
     [](S& s) { StartWith(s, Parameter("server_version", kControls)); }},
    {"start_encoding", Place::kStartup, "another encoding than was asked for",
     [](S& s) { StartWith(s, Parameter("client_encoding", "LATIN1")); }},
    {"start_integer_datetimes", Place::kStartup, "moments as floating point",
     [](S& s) { StartWith(s, Parameter("integer_datetimes", "off")); }},
    {"start_key_short", Place::kStartup, "half a key",
     [](S& s) { StartWith(s, Message('K', "ab")); }},
    {"start_key_long", Place::kStartup, "a key of 1 MiB",
     [](S& s) {
       s.Send(Authentication(0));
       Honest(s, 'K', "", kMiB, "");
       s.Hold();
     }},
    {"start_negotiate", Place::kStartup, "wants an older protocol",
     [](S& s) {
       s.Send(Message('v', Int32(0) + Int32(1) + Text("_pq_.hostile")));
       s.Hold();
     }},
    {"start_twice", Place::kStartup, "everything twice",
     [](S& s) { s.Send(s.answer() + s.answer()); }},
    {"start_state", Place::kStartup, "ready, in a transaction of nobody's",
     [](S& s) { s.Send(Authentication(0) + Ready('T')); }},
    {"start_rows", Place::kStartup, "rows before it is ready",
     [](S& s) {
       s.Send(Authentication(0) + WholeResult());
       s.Hold();
     }},
    {"start_old_error", Place::kStartup, "no memory for a process, in the form of old servers",
     [](S& s) {
       s.Send(Text("Ecould not fork new process for connection: Cannot allocate memory\n"));
       s.Close();
     }},
    {"start_old_error_flood", Place::kStartup, "an error of old servers without end",
     [](S& s) { s.Flood("E"); }},
    {"start_error_30k", Place::kStartup, "an error just as long as is taken",
     [](S& s) { Fail(s, "53300", std::string(29'900, 'y')); }},
    {"start_recovering", Place::kStartup, "is starting up",
     [](S& s) { Fail(s, "57P03", "the database system is starting up"); }},

    // -- the role --
    {"role_null", Place::kRole, "does not know",
     [](S& s) {
       s.Send(Description(25) + Message('D', Int16(1) + Int32(-1)) + Complete("SELECT 1") +
              Ready());
     }},
    {"role_nothing", Place::kRole, "no row",
     [](S& s) { s.Send(Description(25) + Complete("SELECT 0") + Ready()); }},
    {"role_huge", Place::kRole, "an answer of 24 MiB",
     [](S& s) {
       s.Send(Description(25));
       Honest(s, 'D', Int16(1) + Int32(static_cast<int64_t>(kHuge)), kHuge, "");
       s.Send(Complete("SELECT 1") + Ready());
     }},
    {"role_standby", Place::kRole, "is a standby",
     [](S& s) { s.Send(Description(25) + Row("true on") + Complete("SELECT 1") + Ready()); }},

    // -- describing --
    {"parameters_30000", Place::kDescribe, "wants 30,000 parameters",
     [](S& s) {
       std::string types = Int16(30'000);
       for (int i = 0; i < 30'000; ++i) types += Int32(20);
       s.Send(Message('t', types) + Description());
     }},
    {"parameters_negative", Place::kDescribe, "wants -1 parameters",
     [](S& s) { s.Send(Message('t', Int16(-1)) + Description()); }},
    {"parameters_cut", Place::kDescribe, "wants more parameters than it tells",
     [](S& s) { s.Send(Message('t', Int16(9) + Int32(20)) + Description()); }},
    {"parameters_some", Place::kDescribe, "wants 3 parameters of a statement with none",
     [](S& s) {
       s.Send(Message('t', Int16(3) + Int32(20) + Int32(25) + Int32(1184)) + Description());
     }},
    {"columns_negative", Place::kDescribe, "tells of -1 columns",
     [](S& s) { s.Send(Message('t', Int16(0)) + Message('T', Int16(-1))); }},
    {"columns_cut", Place::kDescribe, "tells of more columns than follow",
     [](S& s) { s.Send(Message('t', Int16(0)) + Message('T', Int16(9) + Text("n"))); }},
    {"columns_60000", Place::kDescribe, "tells of 60,000 columns",
     [](S& s) {
       std::string columns;  // in pieces, so that the server takes no memory for them
       for (int i = 0; i < 1000; ++i) columns += Description().substr(7);
       s.Send(Message('t', Int16(0)) +
              Announce('T', static_cast<int64_t>(60 * columns.size()) + 6) + Int16(60'000));
       for (int i = 0; i < 60; ++i) s.Send(columns);
     }},
    {"columns_name_huge", Place::kDescribe, "a column's name of 24 MiB",
     [](S& s) {
       s.Send(Message('t', Int16(0)));
       Honest(s, 'T', Int16(1), kHuge, std::string(1, '\0') + Description().substr(9));
     }},
    {"columns_name_no_end", Place::kDescribe, "a column's name without an end",
     [](S& s) { s.Send(Message('t', Int16(0)) + Message('T', Int16(1) + "name")); }},
    {"columns_type", Place::kDescribe, "a type that does not exist",
     [](S& s) { s.Send(Message('t', Int16(0)) + Description(0xffffffff)); }},
    {"columns_without_parameters", Place::kDescribe, "columns, but not the parameters before them",
     [](S& s) { s.Send(Description()); }},
    {"columns_none", Place::kDescribe, "neither parameters nor columns", [](S&) {}},

    // -- rows --
    {"rows_endless", Place::kExecute, "rows without end", [](S& s) { s.Flood(Row()); }},
    {"rows_slow", Place::kExecute, "rows without end, a byte at a time",
     [](S& s) { s.FloodSlowly(Row(), 2ms); }},
    {"rows_wide", Place::kExecute, "rows of 100 KB without end",
     [](S& s) { s.Flood(Row(std::string(100'000, 'x'))); }},
    {"rows_then_silent", Place::kExecute, "a row, and nothing more",
     [](S& s) {
       s.Send(Row());
       s.Hold();
     }},
    {"rows_then_error", Place::kExecute, "a thousand rows, and then an error",
     [](S& s) {
       std::string rows;
       for (int i = 0; i < 1000; ++i) rows += Row();
       s.Send(rows);
       Fail(s, "22012", "division by zero");
     }},
    {"row_huge", Place::kExecute, "a row of 64 MiB",
     [](S& s) {
       constexpr size_t kSize = 64 * kMiB;
       Honest(s, 'D', Int16(1) + Int32(static_cast<int64_t>(kSize)), kSize, "");
       s.Send(Complete("SELECT 1"));
     }},
    {"row_1gb", Place::kExecute, "a row of 1 GiB that goes on coming",
     [](S& s) { Announced(s, 'D', kGiB + 10, Int16(1) + Int32(kGiB)); }},
    {"row_columns_negative", Place::kExecute, "a row of -1 columns",
     [](S& s) {
       s.Send(Message('D', Int16(-1)) + Complete("SELECT 1"));
     }},
    {"row_columns_more", Place::kExecute, "more columns than were described",
     [](S& s) {
       s.Send(Message('D', Int16(2) + Int32(1) + "1" + Int32(1) + "2") + Complete("SELECT 1"));
     }},
    {"row_columns_none", Place::kExecute, "fewer columns than were described",
     [](S& s) { s.Send(Message('D', Int16(0)) + Complete("SELECT 1")); }},
    {"row_columns_30000", Place::kExecute, "a row of 30,000 columns",
     [](S& s) {
       std::string columns = Int16(30'000);
       for (int i = 0; i < 30'000; ++i) columns += Int32(1) + "1";
       s.Send(Message('D', columns) + Complete("SELECT 1"));
     }},
    {"row_length_negative", Place::kExecute, "a value of -2 bytes",
     [](S& s) {
       s.Send(Message('D', Int16(1) + Int32(-2)) + Complete("SELECT 1"));
     }},
    {"row_length_2gb", Place::kExecute, "a value of 2 GiB in a small row",
     [](S& s) {
       s.Send(Message('D', Int16(1) + Int32(0x7fffffff) + "1") + Complete("SELECT 1"));
     }},
    {"row_length_beyond", Place::kExecute, "a value longer than its row",
     [](S& s) {
       s.Send(Message('D', Int16(1) + Int32(100) + "1") + Complete("SELECT 1"));
     }},
    {"row_length_short", Place::kExecute, "a row longer than its value",
     [](S& s) {
       s.Send(Message('D', Int16(1) + Int32(1) + "1and more") + Complete("SELECT 1"));
     }},
    {"row_not_a_number", Place::kExecute, "an integer of letters and control characters",
     [](S& s) { s.Send(Row(kControls) + Complete("SELECT 1")); }},
    {"row_number_beyond", Place::kExecute, "an integer of 10,000 digits",
     [](S& s) { s.Send(Row(std::string(10'000, '9')) + Complete("SELECT 1")); }},
    {"row_after_end", Place::kExecute, "a row behind the end of the rows",
     [](S& s) { s.Send(Row() + Complete("SELECT 1") + Row()); }},
    {"complete_no_end", Place::kExecute, "an end without the end of its text",
     [](S& s) { s.Send(Row() + Message('C', "SELECT 1")); }},
    {"complete_number", Place::kExecute, "more rows changed than a number holds",
     [](S& s) { s.Send(Complete("INSERT 0 99999999999999999999999")); }},
    {"complete_negative", Place::kExecute, "less than no rows changed",
     [](S& s) { s.Send(Complete("UPDATE -1")); }},
    {"complete_huge", Place::kExecute, "an end of 1 MiB",
     [](S& s) { Honest(s, 'C', "SELECT ", kMiB, {"\0", 1}); }},
    {"complete_other", Place::kExecute, "the end of another statement",
     [](S& s) { s.Send(Row() + Complete(std::string(kControls))); }},
    {"suspended", Place::kExecute, "as if rows had been asked for in portions",
     [](S& s) { s.Send(Row() + Message('s')); }},
    {"empty_for_query", Place::kExecute, "takes the statement for empty",
     [](S& s) { s.Send(Message('I')); }},

    // -- the end of an exchange --
    {"sync_state_unknown", Place::kSync, "ready, in a state that does not exist",
     [](S& s) { s.Send(Ready('x')); }},
    {"sync_state_transaction", Place::kSync, "ready, in a transaction of nobody's",
     [](S& s) { s.Send(Ready('T')); }},
    {"sync_state_failed", Place::kSync, "ready, in a failed transaction of nobody's",
     [](S& s) { s.Send(Ready('E')); }},
    {"sync_short", Place::kSync, "ready, without a state",
     [](S& s) {
       s.Send(Message('Z'));
       s.Hold();
     }},
    {"sync_long", Place::kSync, "ready, with 1 MiB behind it",
     [](S& s) { Honest(s, 'Z', "I", kMiB, ""); }},
    {"sync_error", Place::kSync, "an error behind everything",
     [](S& s) { Fail(s, "40001", "could not serialize access"); }},
    {"results_endless", Place::kSimple, "results without end to one query",
     [](S& s) { s.Flood(WholeResult()); }},
    {"results_slow", Place::kSimple, "results without end, a byte at a time",
     [](S& s) { s.FloodSlowly(WholeResult(), 2ms); }},
    {"commit_rolled_back", Place::kCommit, "rolls back in place of committing",
     [](S& s) {
       s.set_transaction('I');
       s.Send(Complete("ROLLBACK"));
     }},
    {"commit_kept", Place::kCommit, "commits, and stays in the transaction",
     [](S& s) {
       s.set_transaction('T');
       s.Send(Complete("COMMIT"));
     }},

    // -- anywhere: nothing, and the end --
    {"silent", Place::kAnywhere, "says nothing", [](S& s) { s.Hold(); }},
    {"close", Place::kAnywhere, "closes", [](S& s) { s.Close(); }},
    {"reset", Place::kAnywhere, "resets", [](S& s) { s.Reset(); }},
    {"half_close", Place::kAnywhere, "sends its end and stays", [](S& s) { s.HalfClose(); }},
    {"slow", Place::kAnywhere, "the right answer, a byte at a time",
     [](S& s) {
       s.SendSlowly(s.answer().empty() ? Trouble("NOTICE", "00000", "x", 'N') : s.answer(), 5ms);
     }},
    {"slower", Place::kAnywhere, "the right answer, a byte every 50 ms",
     [](S& s) {
       s.SendSlowly(s.answer().empty() ? Trouble("NOTICE", "00000", "x", 'N') : s.answer(), 50ms);
     }},
    {"slow_flood", Place::kAnywhere, "notices without end, a byte at a time",
     [](S& s) { s.FloodSlowly(Trouble("NOTICE", "00000", "words", 'N'), 2ms); }},
    {"cut_head", Place::kAnywhere, "half of a message's head",
     [](S& s) {
       s.Send(Announce('D', 100).substr(0, 3));
       s.Hold();
     }},
    {"cut_head_close", Place::kAnywhere, "half of a message's head, and the end",
     [](S& s) {
       s.Send(Announce('D', 100).substr(0, 3));
       s.Close();
     }},
    {"cut_body", Place::kAnywhere, "half of a message",
     [](S& s) {
       s.Send(Announce('D', 100) + "abc");
       s.Hold();
     }},
    {"cut_body_close", Place::kAnywhere, "half of a message, and the end",
     [](S& s) {
       s.Send(Announce('D', 100) + "abc");
       s.Close();
     }},
    {"twice", Place::kAnywhere, "the right answer twice",
     [](S& s) { s.Send(s.answer() + s.answer()); }},
    {"ready_first", Place::kAnywhere, "ready, before the answer",
     [](S& s) { s.Send(Ready() + s.answer()); }},
    {"other_result", Place::kAnywhere, "the answer to another question",
     [](S& s) { s.Send(WholeResult()); }},
    {"other_result_ready", Place::kAnywhere, "the whole answer to another question",
     [](S& s) { s.Send(WholeResult() + Ready()); }},
    {"http", Place::kAnywhere, "speaks HTTP",
     [](S& s) {
       s.Send(kHttp);
       s.Hold();
     }},
    {"zeros", Place::kAnywhere, "zeros without end", [](S& s) { s.Flood({"\0", 1}); }},
    {"noise", Place::kAnywhere, "noise without end", [](S& s) { s.FloodNoise(); }},

    // -- anywhere: lengths --
    {"length_negative", Place::kAnywhere, "a message of -1 bytes",
     [](S& s) {
       s.Send(Announce('D', -1) + "abc");
       s.Hold();
     }},
    {"length_zero", Place::kAnywhere, "a message of 0 bytes",
     [](S& s) {
       s.Send(Announce('N', 0));
       s.Hold();
     }},
    {"length_short", Place::kAnywhere, "a message shorter than its own length",
     [](S& s) {
       s.Send(Announce('E', 3));
       s.Hold();
     }},
    {"length_1gb", Place::kAnywhere, "a row of 1 GiB that does not come",
     [](S& s) {
       s.Send(Announce('D', kGiB));
       s.Hold();
     }},
    {"length_1gb_row", Place::kAnywhere, "a row of 1 GiB", [](S& s) { Announced(s, 'D', kGiB); }},
    {"length_2gb_row", Place::kAnywhere, "a row of 2 GiB",
     [](S& s) { Announced(s, 'D', 0x7fffffff); }},
    {"length_1gb_error", Place::kAnywhere, "an error of 1 GiB",
     [](S& s) { Announced(s, 'E', kGiB, "M"); }},
    {"length_1gb_notice", Place::kAnywhere, "a notice of 1 GiB",
     [](S& s) { Announced(s, 'N', kGiB, "M"); }},
    {"length_1gb_notify", Place::kAnywhere, "a notification of 1 GiB",
     [](S& s) { Announced(s, 'A', kGiB, Int32(1)); }},
    {"length_1gb_description", Place::kAnywhere, "a description of 1 GiB",
     [](S& s) { Announced(s, 'T', kGiB, Int16(1)); }},
    {"length_1gb_copy", Place::kAnywhere, "a piece of a COPY of 1 GiB",
     [](S& s) { Announced(s, 'd', kGiB); }},
    {"length_1gb_ready", Place::kAnywhere, "ready, in 1 GiB",
     [](S& s) { Announced(s, 'Z', kGiB, "I"); }},
    {"length_1gb_parameter", Place::kAnywhere, "a parameter of 1 GiB",
     [](S& s) { Announced(s, 'S', kGiB, Text("TimeZone")); }},
    {"length_29k", Place::kAnywhere, "messages just as long as is taken, without end",
     [](S& s) { s.Flood(Message('S', Text("TimeZone") + Text(std::string(29'900, 'v')))); }},

    // -- anywhere: messages again and again --
    {"notice_flood", Place::kAnywhere, "notices without end",
     [](S& s) { s.Flood(Trouble("NOTICE", "00000", "words", 'N')); }},
    {"notice_57p01_flood", Place::kAnywhere, "notices of the server's end without end",
     [](S& s) { s.Flood(Trouble("WARNING", "57P01", "words", 'N')); }},
    {"notify_flood", Place::kAnywhere, "notifications without end",
     [](S& s) { s.Flood(Notification("payload")); }},
    {"parameter_flood", Place::kAnywhere, "the same parameter without end",
     [](S& s) { s.Flood(Parameter("TimeZone", "UTC")); }},
    {"parameter_names", Place::kAnywhere, "ever new parameters",
     [](S& s) { s.FloodOf(&NewParameter); }},
    {"ready_flood", Place::kAnywhere, "ready without end", [](S& s) { s.Flood(Ready()); }},
    {"parsed_flood", Place::kAnywhere, "ParseComplete without end",
     [](S& s) { s.Flood(Message('1')); }},
    {"bound_flood", Place::kAnywhere, "BindComplete without end",
     [](S& s) { s.Flood(Message('2')); }},
    {"closed_flood", Place::kAnywhere, "CloseComplete without end",
     [](S& s) { s.Flood(Message('3')); }},
    {"no_data_flood", Place::kAnywhere, "NoData without end",
     [](S& s) { s.Flood(Message('n')); }},
    {"suspended_flood", Place::kAnywhere, "PortalSuspended without end",
     [](S& s) { s.Flood(Message('s')); }},
    {"empty_flood", Place::kAnywhere, "EmptyQueryResponse without end",
     [](S& s) { s.Flood(Message('I')); }},
    {"complete_flood", Place::kAnywhere, "CommandComplete without end",
     [](S& s) { s.Flood(Complete("SELECT 1")); }},
    {"description_flood", Place::kAnywhere, "RowDescription without end",
     [](S& s) { s.Flood(Description()); }},
    {"parameters_flood", Place::kAnywhere, "ParameterDescription without end",
     [](S& s) { s.Flood(Message('t', Int16(0))); }},
    {"row_flood", Place::kAnywhere, "rows that nobody asked for, without end",
     [](S& s) { s.Flood(Row()); }},
    {"result_flood", Place::kAnywhere, "whole results without end",
     [](S& s) { s.Flood(WholeResult()); }},
    {"result_ready_flood", Place::kAnywhere, "whole answers without end",
     [](S& s) { s.Flood(WholeResult() + Ready()); }},
    {"error_flood", Place::kAnywhere, "errors without end",
     [](S& s) { s.Flood(Trouble("ERROR", "XX000", "words")); }},
    {"error_ready_flood", Place::kAnywhere, "errors and ready without end",
     [](S& s) { s.Flood(Trouble("ERROR", "XX000", "words") + Ready()); }},
    {"function_flood", Place::kAnywhere, "FunctionCallResponse without end",
     [](S& s) { s.Flood(Message('V', Int32(-1))); }},
    {"negotiate_flood", Place::kAnywhere, "NegotiateProtocolVersion without end",
     [](S& s) { s.Flood(Message('v', Int32(0) + Int32(0))); }},
    {"key_flood", Place::kAnywhere, "BackendKeyData without end",
     [](S& s) { s.Flood(Message('K', Int32(1) + Int32(2))); }},
    {"auth_flood", Place::kAnywhere, "AuthenticationOk without end",
     [](S& s) { s.Flood(Authentication(0)); }},
    {"unknown", Place::kAnywhere, "a message that does not exist",
     [](S& s) {
       s.Send(Message('y', "abc"));
       s.Hold();
     }},
    {"unknown_flood", Place::kAnywhere, "messages of a type that does not exist",
     [](S& s) { s.Flood(Message('\xff', "abc")); }},

    // -- anywhere: COPY --
    {"copy_in", Place::kAnywhere, "waits for the data of a COPY",
     [](S& s) {
       s.Send(CopyHead('G'));
       s.Hold();
     }},
    {"copy_in_flood", Place::kAnywhere, "waits for a COPY again and again",
     [](S& s) { s.Flood(CopyHead('G')); }},
    {"copy_out", Place::kAnywhere, "the data of a COPY without end",
     [](S& s) {
       s.Send(CopyHead('H'));
       s.Flood(Message('d', "1\t2\n"));
     }},
    {"copy_out_silent", Place::kAnywhere, "the beginning of a COPY",
     [](S& s) {
       s.Send(CopyHead('H'));
       s.Hold();
     }},
    {"copy_out_done", Place::kAnywhere, "a whole COPY",
     [](S& s) {
       s.Send(CopyHead('H') + Message('d', "1\n") + Message('c') + Complete("COPY 1"));
       s.GoOnAfterError();
     }},
    {"copy_both", Place::kAnywhere, "replication without end",
     [](S& s) {
       s.Send(CopyHead('W'));
       s.Flood(Message('d', "w"));
     }},
    {"copy_both_silent", Place::kAnywhere, "the beginning of replication",
     [](S& s) {
       s.Send(CopyHead('W'));
       s.Hold();
     }},
    {"copy_columns", Place::kAnywhere, "a COPY of -1 columns",
     [](S& s) {
       s.Send(Message('H', std::string(1, '\0') + Int16(-1)));
       s.Hold();
     }},

    // -- anywhere: errors --
    {"error", Place::kAnywhere, "an error", [](S& s) { Fail(s, "53200", "out of memory"); }},
    {"error_controls", Place::kAnywhere, "an error of control characters",
     [](S& s) { Fail(s, "22023", kControls); }},
    {"error_controls_everywhere", Place::kAnywhere, "control characters in each field of an error",
     [](S& s) {
       std::string fields;
       for (const char field : std::string_view("SVCMDHPpqWscnFLR")) {
         fields += Field(field, kControls);
       }
       FailWith(s, fields + '\0');
     }},
    {"error_huge", Place::kAnywhere, "an error of 24 MiB",
     [](S& s) {
       Honest(s, 'E', Field('S', "ERROR") + Field('C', "22023") + 'M', kHuge, {"\0\0", 2});
       s.GoOnAfterError();
     }},
    {"error_300mb", Place::kAnywhere, "an error of 300 MB",
     [](S& s) {
       Honest(s, 'E', Field('S', "ERROR") + Field('C', "22023") + 'M', 300'000'000, {"\0\0", 2});
       s.GoOnAfterError();
     }},
    {"error_sqlstate_long", Place::kAnywhere, "an SQLSTATE of 100,000 characters",
     [](S& s) { Fail(s, std::string(100'000, 'A'), "words"); }},
    {"error_sqlstate_controls", Place::kAnywhere, "an SQLSTATE of control characters",
     [](S& s) { Fail(s, "\x1b[3\nm", "words"); }},
    {"error_sqlstate_short", Place::kAnywhere, "an SQLSTATE of two characters",
     [](S& s) { Fail(s, "22", "words"); }},
    {"error_no_sqlstate", Place::kAnywhere, "an error without an SQLSTATE",
     [](S& s) { FailWith(s, Field('S', "ERROR") + Field('M', "words") + '\0'); }},
    {"error_no_words", Place::kAnywhere, "an error without words",
     [](S& s) { FailWith(s, Field('S', "ERROR") + Field('C', "22023") + '\0'); }},
    {"error_no_fields", Place::kAnywhere, "an error of nothing",
     [](S& s) { FailWith(s, {"\0", 1}); }},
    {"error_no_end", Place::kAnywhere, "an error without an end",
     [](S& s) { FailWith(s, Field('S', "ERROR") + "Mwords"); }},
    {"error_fields", Place::kAnywhere, "an error of 100,000 fields",
     [](S& s) {
       std::string fields;  // in pieces, so that the server takes no memory for them
       for (int i = 0; i < 1000; ++i) fields += Field('D', "x");
       s.Send(Announce('E', static_cast<int64_t>(100 * fields.size()) + 5));
       for (int i = 0; i < 100; ++i) s.Send(fields);
       s.Send({"\0", 1});
       s.GoOnAfterError();
     }},
    {"fatal_silent", Place::kAnywhere, "says that it ends, and does not",
     [](S& s) {
       s.Send(Trouble("FATAL", "57P01", "terminating connection"));
       s.Hold();
     }},
    {"fatal_close", Place::kAnywhere, "says that it ends, and does",
     [](S& s) {
       s.Send(Trouble("FATAL", "57P01", "terminating connection"));
       s.Close();
     }},
    {"fatal_go_on", Place::kAnywhere, "says that it ends, and goes on",
     [](S& s) { s.Send(Trouble("FATAL", "57P01", "terminating connection") + s.answer()); }},
    {"warning_57p02", Place::kAnywhere, "warns that another session has crashed, and goes on",
     [](S& s) { s.Send(Trouble("WARNING", "57P02", "crash", 'N') + s.answer()); }},
    {"notice_huge", Place::kAnywhere, "a notice of 24 MiB, and then the right answer",
     [](S& s) {
       Honest(s, 'N', Field('S', "NOTICE") + Field('C', "00000") + 'M', kHuge, {"\0\0", 2});
       s.Answer();
     }},
    {"notify_huge", Place::kAnywhere, "a notification of 24 MiB, and then the right answer",
     [](S& s) {
       Honest(s, 'A', Int32(1) + Text("door"), kHuge, {"\0", 1});
       s.Answer();
     }},
    {"parameter_long", Place::kAnywhere, "a parameter of 100 KB, and then the right answer",
     [](S& s) {
       Honest(s, 'S', Text("TimeZone"), 100'000, {"\0", 1});
       s.Answer();
     }},
    {"parameter_controls", Place::kAnywhere, "parameters of control characters, and go on",
     [](S& s) { s.Send(Parameter(kControls, kControls) + s.answer()); }},
};

}  // namespace

std::span<const HostileMode> HostileModes() { return kModes; }

}  // namespace roost::support
