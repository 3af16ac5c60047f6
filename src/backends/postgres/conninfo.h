// backends/postgres/conninfo.h - connection strings as text.
//
// What has to be known before libpq reads them, and what may be shown of them. What they mean is
// libpq's to say (settings.h). Pure.
#ifndef ROOST_BACKENDS_POSTGRES_CONNINFO_H_
#define ROOST_BACKENDS_POSTGRES_CONNINFO_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace roost::postgres {

// One option, and where it stands in the text.
struct ConninfoOption {
  std::string key{};
  std::string value{};  // without quotes, backslashes and percent signs
  size_t begin = 0;
  size_t end = 0;
};

struct Conninfo {
  bool is_uri = false;
  bool readable = true;  // false: libpq will refuse it, and nothing in it can be told apart
  // What is wrong although libpq takes it: it may take a part of a password for a host or a
  // database, which are shown and asked for. A sentence without any piece of the text; empty: nothing.
  std::string_view mistake{};
  std::vector<ConninfoOption>
      options{};  // in the order of the text; those of a uri's head come first
};

// Takes "postgresql://..." and "key=value ..." apart as libpq does.
Conninfo ScanConninfo(std::string_view text);

// The elements of a list with commas, empty ones too: "a,,b" has three. At least one.
std::vector<std::string> SplitList(std::string_view list);

struct OwnOptions {
  std::string conninfo{};  // for libpq
  bool transaction_pooler = false;
};

// Takes out what is not libpq's: `pooler=transaction` or `pooler=session`.
absl::StatusOr<OwnOptions> TakeOwnOptions(std::string_view text);

// "host:port/database", for a log; several hosts with commas. What the text leaves out is taken
// from `environment` (std::getenv). Never a user, never a password; a text that cannot be told
// apart is not shown at all.
std::string DescribeTarget(std::string_view text, char* (*environment)(const char* name));

// What libpq says about `text`, without the pieces of it that could belong to a password.
std::string WithoutSecrets(std::string_view sentence, std::string_view text);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_CONNINFO_H_
