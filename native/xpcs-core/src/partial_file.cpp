#include "partial_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "xpcs/error.hpp"

namespace xpcs {

PartialFile::PartialFile(const std::string& finalPath) : final_(finalPath), path_(finalPath + ".partial-" + std::to_string(::getpid())) {}

PartialFile::~PartialFile() {
  if (!published_) std::remove(path_.c_str());
}

void PartialFile::publish(bool overwrite) {
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
  if (!overwrite) {
    if (::link(path_.c_str(), final_.c_str()) == 0) return;  // the destructor removes the temporary name
    if (errno == EEXIST) throw Error(Code::already_exists, "the output " + final_ + " appeared meanwhile; --overwrite replaces it");
    // Some file systems have no links; there the rename must do.
  }
  if (::rename(path_.c_str(), final_.c_str()) != 0) throw Error(Code::io_failed, "cannot rename " + path_ + " to " + final_ + ": " + std::strerror(errno));
  published_ = true;
}

}  // namespace xpcs
