#include "tests/fuzz/targets.h"

namespace roost::fuzz {
namespace {

constexpr Target kTargets[] = {
    {"addresses", &CheckAddresses}, {"config", &CheckConfig}, {"conninfo", &CheckConninfo},
    {"errors", &CheckErrors},       {"lines", &CheckLines},   {"parameters", &CheckParameters},
#ifdef ROOST_FUZZ_MYSQL
    {"mysql_sql", &CheckMysqlSql},
#endif
    {"rows", &CheckRows},           {"sql", &CheckSql},       {"status", &CheckStatus},
    {"values", &CheckValues},
};

}  // namespace

std::span<const Target> Targets() { return kTargets; }

}  // namespace roost::fuzz
