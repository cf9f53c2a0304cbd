// Where a format reader gets its bytes: a file, or memory in tests and fuzzers. Readers never see a path.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace xpcs {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Of a file that others write: as it is now, where size() is what it was when it was opened. Throws io_failed.
  [[nodiscard]] virtual std::uint64_t size_now() const { return size(); }
  /// Reads up to into.size() bytes at offset; returns how many there were. Throws io_failed.
  virtual std::size_t read(std::uint64_t offset, std::span<std::byte> into) const = 0;
};

/// Behind the last byte that is not zero. Reads from the end on, no further than zeros go.
std::uint64_t end_of_values(const ByteSource& source);

/// Opens a file for reading. Throws not_found, io_failed, invalid_argument (a folder).
std::unique_ptr<ByteSource> open_file(const std::string& path);

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  std::size_t read(std::uint64_t offset, std::span<std::byte> into) const override;

 private:
  std::vector<std::byte> bytes_;
};

/// Sequential reading through one fixed buffer. `take` hands out a view that lives until the next call.
class ByteCursor {
 public:
  /// @param size bytes of it that are read
  ByteCursor(const ByteSource& source, std::uint64_t size) : source_(source), size_(size) {}
  explicit ByteCursor(const ByteSource& source) : ByteCursor(source, source.size()) {}
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  [[nodiscard]] std::uint64_t remaining() const noexcept { return size_ - position_; }
  /// The next n bytes; fewer only at the end of the source. n may exceed the buffer.
  std::span<const std::byte> take(std::size_t n);
  void skip(std::uint64_t n) noexcept { position_ += n < remaining() ? n : remaining(); }

 private:
  const ByteSource& source_;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
  std::uint64_t bufferStart_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace xpcs
