#include "xpcs/byte_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "xpcs/error.hpp"

namespace xpcs {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{4} << 20;

class FileSource final : public ByteSource {
 public:
  FileSource(int fd, std::uint64_t size, std::string path) : fd_(fd), size_(size), path_(std::move(path)) {}
  ~FileSource() override { ::close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  [[nodiscard]] std::uint64_t size() const override { return size_; }
  [[nodiscard]] std::uint64_t size_now() const override {
    struct stat facts {};
    if (::fstat(fd_, &facts) != 0) throw Error(Code::io_failed, "cannot look at " + path_ + ": " + std::strerror(errno));
    return static_cast<std::uint64_t>(facts.st_size);
  }

  std::size_t read(std::uint64_t offset, std::span<std::byte> into) const override {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        throw Error(Code::io_failed, "cannot read " + path_ + " at byte " + std::to_string(offset + done) + ": " + std::strerror(errno));
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  int fd_;
  std::uint64_t size_;
  std::string path_;
};

}  // namespace

std::uint64_t end_of_values(const ByteSource& source) {
  constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 16;
  std::vector<std::byte> piece;
  for (std::uint64_t end = source.size(); end > 0;) {
    const std::uint64_t start = end - std::min(end, piece.empty() ? std::uint64_t{8} : kPieceBytes);  // most files end with a value
    piece.resize(static_cast<std::size_t>(end - start));
    piece.resize(source.read(start, piece));
    const auto value = std::find_if(piece.rbegin(), piece.rend(), [](std::byte b) { return b != std::byte{0}; });
    if (value != piece.rend()) return start + static_cast<std::uint64_t>(piece.rend() - value);
    end = start;
  }
  return 0;
}

std::unique_ptr<ByteSource> open_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const Code code = errno == ENOENT || errno == ENOTDIR ? Code::not_found : Code::io_failed;
    throw Error(code, "cannot open " + path + ": " + std::strerror(errno));
  }
  struct stat facts {};
  if (::fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    ::close(fd);
    throw Error(Code::invalid_argument, path + " is not a regular file");
  }
  return std::make_unique<FileSource>(fd, static_cast<std::uint64_t>(facts.st_size), path);
}

std::size_t MemorySource::read(std::uint64_t offset, std::span<std::byte> into) const {
  if (offset >= bytes_.size() || into.empty()) return 0;
  const std::size_t n = std::min<std::uint64_t>(into.size(), bytes_.size() - offset);
  std::memcpy(into.data(), bytes_.data() + offset, n);
  return n;
}

std::span<const std::byte> ByteCursor::take(std::size_t n) {
  n = static_cast<std::size_t>(std::min<std::uint64_t>(n, remaining()));
  const std::uint64_t end = position_ + n;
  if (position_ < bufferStart_ || end > bufferStart_ + buffer_.size()) {
    // One read may end short when the file shrinks under us; the caller sees fewer bytes.
    const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(std::max(n, kBufferBytes), remaining()));
    buffer_.resize(want);
    bufferStart_ = position_;
    buffer_.resize(source_.read(position_, buffer_));
  }
  const std::size_t at = static_cast<std::size_t>(position_ - bufferStart_);
  const std::size_t have = std::min(n, buffer_.size() - std::min(at, buffer_.size()));
  position_ += have;
  return std::span<const std::byte>(buffer_).subspan(at, have);
}

}  // namespace xpcs
