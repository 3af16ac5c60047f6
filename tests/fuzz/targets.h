// tests/fuzz/targets.h - parsers of foreign bytes, each with what has to hold for every input.
//
// A check returns what is wrong, in a sentence; empty: nothing. Two programs use it: roost_fuzz
// makes up inputs (libFuzzer, clang), fuzz_corpus_test takes those that are kept in corpus/NAME.
//
// Threads:  one
// Blocks:   never
// Memory:   the heap
// Errors:   the sentence
#ifndef ROOST_TESTS_FUZZ_TARGETS_H_
#define ROOST_TESTS_FUZZ_TARGETS_H_

#include <span>
#include <string>
#include <string_view>

namespace roost::fuzz {

struct Target {
  std::string_view name;
  std::string (*check)(std::string_view bytes);
};

std::span<const Target> Targets();

std::string CheckLines(std::string_view bytes);       // roost-node's standard input
std::string CheckConfig(std::string_view bytes);      // its configuration, spans of time
std::string CheckStatus(std::string_view bytes);      // its status file, as others read it
std::string CheckRequests(std::string_view bytes);    // what a client of the status socket sends
std::string CheckAnswers(std::string_view bytes);     // what roostctl reads from such a socket
std::string CheckConninfo(std::string_view bytes);    // connection strings, beside libpq's parser
std::string CheckAddresses(std::string_view bytes);   // the file of addresses
std::string CheckValues(std::string_view bytes);      // columns in text, moments, bytea
std::string CheckErrors(std::string_view bytes);      // what a server or libpq says went wrong
std::string CheckSql(std::string_view bytes);         // the SQL lexer, beside another one
std::string CheckParameters(std::string_view bytes);  // what is bound
std::string CheckMysqlSql(std::string_view bytes);  // MySQL's placeholders, beside another reading
std::string CheckRows(std::string_view bytes);      // what is read of a row

}  // namespace roost::fuzz

#endif  // ROOST_TESTS_FUZZ_TARGETS_H_
