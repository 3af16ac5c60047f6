#include "backends/common/address_book.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "backends/common/resolver.h"
#include "statements/text.h"

namespace roost::backends {

using internal::MutexLock;

namespace {
constexpr std::streamsize kMostBytes = std::streamsize{16} * 1024;
}  // namespace

void AddressBook::Load() {
  {
    MutexLock lock(mu_);
    if (loaded_) return;
    loaded_ = true;
  }
  if (file_.empty()) return;
  std::map<std::string, std::string> found;
  // Some hundred hosts: what is longer, we have not written.
  std::string text(kMostBytes, '\0');
  std::ifstream file(file_);
  file.read(text.data(), kMostBytes);
  text.resize(static_cast<size_t>(file.gcount()));
  std::istringstream fields(std::move(text));
  std::string name;
  std::string address;
  while (fields >> name >> address) {
    if (IsAddress(address)) found[name] = address;
  }
  MutexLock lock(mu_);
  addresses_.merge(found);  // what was learned meanwhile is newer
}

std::string AddressBook::Find(const std::string& name) {
  MutexLock lock(mu_);
  const auto found = addresses_.find(name);
  return found != addresses_.end() ? found->second : "";
}

void AddressBook::Remember(const std::string& name, const std::string& address) {
  std::string text;
  {
    MutexLock lock(mu_);
    std::string& known = addresses_[name];
    if (known == address) return;
    known = address;
    for (const auto& [host, good] : addresses_) text += internal::Concat({host, " ", good, "\n"});
  }
  if (!file_.empty()) Write(text);
}

void AddressBook::Write(const std::string& text) const {
  std::string fresh = file_ + ".XXXXXX";
  const int fd = mkostemp(fresh.data(), O_CLOEXEC);
  if (fd < 0) return;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  if (!written || std::rename(fresh.c_str(), file_.c_str()) != 0) unlink(fresh.c_str());
}

}  // namespace roost::backends
