// backends/common/address_book.h - the last good address of each host name.
//
// It lives in memory and in a file that may be lost. With it a name service that is down does not
// keep a node from its server, also after a restart.
//
// Threads:  any
#ifndef ROOST_BACKENDS_COMMON_ADDRESS_BOOK_H_
#define ROOST_BACKENDS_COMMON_ADDRESS_BOOK_H_

#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "roost/internal/mutex.h"

namespace roost::backends {

class AddressBook {
 public:
  // `file`: one "NAME ADDRESS" a line; empty: only in memory.
  explicit AddressBook(std::string file) : file_(std::move(file)) {}

  // Reads the file, the first time. Lines that are not of its kind are passed over.
  void Load();
  // Empty: none is known.
  std::string Find(const std::string& name);
  // Writes the file, whole or not at all, when something has changed. A card that takes no writes
  // is nobody's error here.
  void Remember(const std::string& name, const std::string& address);

 private:
  void Write(const std::string& text) const;

  const std::string file_;
  internal::Mutex mu_;
  bool loaded_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, std::string> addresses_ ABSL_GUARDED_BY(mu_);
};

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_ADDRESS_BOOK_H_
