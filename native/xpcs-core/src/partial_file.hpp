// A result under a temporary name beside its final one; gone unless published.
#pragma once
#include <string>

namespace xpcs {

class PartialFile {
 public:
  explicit PartialFile(const std::string& finalPath);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Whole on the disk first, then one rename (or, without overwrite, one link that fails when the name is taken).
  /// @throws already_exists, io_failed
  void publish(bool overwrite);

 private:
  std::string final_;
  std::string path_;
  bool published_ = false;
};

}  // namespace xpcs
