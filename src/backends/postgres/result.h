// backends/postgres/result.h - a PGresult that is cleared at its end, and memory of libpq's.
#ifndef ROOST_BACKENDS_POSTGRES_RESULT_H_
#define ROOST_BACKENDS_POSTGRES_RESULT_H_

#include <charconv>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

#include "backends/postgres/libpq.h"
#include "backends/postgres/sqlstates.h"

namespace roost::postgres {

class Result {
 public:
  Result() = default;
  Result(const Libpq& pq, PGresult* result) : pq_(&pq), result_(result) {}
  Result(Result&& other) noexcept
      : pq_(other.pq_), result_(std::exchange(other.result_, nullptr)) {}
  Result& operator=(Result&& other) noexcept {
    std::swap(pq_, other.pq_);
    std::swap(result_, other.result_);
    return *this;
  }
  ~Result() {
    if (result_ != nullptr) pq_->PQclear(result_);
  }

  PGresult* get() const { return result_; }
  PGresult* release() { return std::exchange(result_, nullptr); }
  explicit operator bool() const { return result_ != nullptr; }

  // REQUIRES of the following: there is a result.
  ExecStatusType status() const { return pq_->PQresultStatus(result_); }
  // Empty where libpq gave up by itself, and where the server's is none.
  std::string_view sqlstate() const {
    const std::string_view sqlstate = Field(PG_DIAG_SQLSTATE);
    return IsSqlState(sqlstate) ? sqlstate : std::string_view();
  }
  // Without detail and hint: they repeat what was bound.
  std::string_view message() const { return Field(PG_DIAG_MESSAGE_PRIMARY); }
  // The character of what was sent, from 1, that the error is about; 0: the server named none.
  size_t position() const {
    const std::string_view digits = Field(PG_DIAG_STATEMENT_POSITION);
    size_t position = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), position);
    return position;
  }
  std::string_view command() const { return pq_->PQcmdStatus(result_); }

 private:
  std::string_view Field(int code) const {
    const char* const text = pq_->PQresultErrorField(result_, code);
    return text == nullptr ? std::string_view() : text;
  }

  const Libpq* pq_ = nullptr;
  PGresult* result_ = nullptr;
};

// libpq wants text that ends in a zero. Copies live in memory that libpq keeps for a result, so
// that this backend takes none of its own.
class Arena {
 public:
  explicit Arena(const Libpq& pq) : pq_(pq) {}

  // nullptr: libpq has no memory. Valid as long as this, or what was taken with Release.
  char* Room(size_t size) {
    if (!memory_) memory_ = Result(pq_, pq_.PQmakeEmptyPGresult(nullptr, PGRES_EMPTY_QUERY));
    if (!memory_) return nullptr;
    return static_cast<char*>(pq_.PQresultAlloc(memory_.get(), size));
  }
  // The same, with a copy of `text` and a zero in it.
  const char* Copy(std::string_view text) {
    char* const copy = Room(text.size() + 1);
    if (copy == nullptr) return nullptr;
    if (!text.empty()) std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    return copy;
  }
  PGresult* Release() { return memory_.release(); }

 private:
  const Libpq& pq_;
  Result memory_;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_RESULT_H_
