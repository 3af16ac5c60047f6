// backends/postgres/pgpass.h - libpq's own file of passwords.
#ifndef ROOST_BACKENDS_POSTGRES_PGPASS_H_
#define ROOST_BACKENDS_POSTGRES_PGPASS_H_

#include <string>
#include <string_view>

namespace roost::postgres {

// Why libpq passes over its password file at `path`; empty: it does not, or there is none.
std::string WhyPassedOver(const std::string& path);

// What to do when the server wants a password, or another one. `file`: that of
// PostgresOptions::password_file; `passed_over`: what WhyPassedOver() says of libpq's.
std::string PasswordAdvice(std::string_view file, std::string_view passed_over);

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_PGPASS_H_
