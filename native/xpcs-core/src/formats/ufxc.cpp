// UFXC32k event stream: little-endian uint32 words without a header. Bits 31-21 frame counter modulo 2048, 16-15 count,
// 14-0 pixel, column-major in job files. The counter is unwrapped by its jumps against the word before (a step below -2000
// is a wrap forwards, above 2000 a wrap backwards); frame 0 is the first word's counter. Words may be out of order.
#include "event_words.hpp"
#include "little_endian.hpp"
#include "xpcs/error.hpp"

namespace xpcs {
namespace {

class UfxcReader final : public FrameReader {
 public:
  UfxcReader(std::unique_ptr<ByteSource> source, const ReaderOptions& options)
      : source_(std::move(source)), cursor_(*source_), options_(options), pixels_(std::uint64_t{options.height} * options.width) {
    const std::uint64_t size = source_->size();
    if (size == 0) throw Error(Code::corrupt_data, "the UFXC file is empty (0 bytes): no event to read");
    if (size % 4 != 0) {
      throw Error(Code::corrupt_data, "truncated UFXC file: the last word at byte " + std::to_string(size / 4 * 4) + " has " +
                                          std::to_string(size % 4) + " of 4 bytes; copy the file again");
    }
  }

  bool fetch(std::unique_ptr<StoredFrames>& stored) override {
    FrameBatch& batch = DecodedEvents::of(stored);
    const std::uint64_t at = cursor_.position();
    const auto bytes = cursor_.take(kBatchWords * 4);
    const std::size_t n = bytes.size() / 4;
    batch.frame.resize(n);
    batch.pixel.resize(n);
    batch.count.resize(n);
    for (std::size_t j = 0; j < n; ++j) {
      const auto word = load<std::uint32_t>(bytes, 4 * j);
      const std::int64_t frame = unwrap(word >> 21);
      const std::uint32_t k = word & 0x7FFF;
      if (frame < 0) {
        throw Error(Code::corrupt_data, "UFXC word at byte " + std::to_string(at + 4 * j) + ": its frame lies " + std::to_string(-frame) +
                                            " before the first word's; the stream does not begin at its first frame");
      }
      if (k >= pixels_) {
        throw Error(Code::corrupt_data, "UFXC word at byte " + std::to_string(at + 4 * j) + ": pixel " + std::to_string(k) +
                                            " is outside the detector of " + std::to_string(pixels_) + " pixels");
      }
      batch.frame[j] = static_cast<std::uint32_t>(frame);
      batch.pixel[j] = row_major(k, options_);
      batch.count[j] = static_cast<std::int64_t>(word >> 15 & 3);
      if (frame >= static_cast<std::int64_t>(frames_)) frames_ = static_cast<std::uint64_t>(frame) + 1;
    }
    return n > 0;
  }

  [[nodiscard]] std::uint64_t frames() const override { return frames_; }
  [[nodiscard]] double position() const override {
    return static_cast<double>(cursor_.position()) / static_cast<double>(source_->size());
  }
  [[nodiscard]] bool dense() const override { return false; }
  [[nodiscard]] bool openEnded() const override { return true; }

 private:
  std::int64_t unwrap(std::uint32_t counter) {
    const auto now = static_cast<std::int64_t>(counter);
    if (first_ < 0) {
      first_ = previous_ = now;
    }
    const std::int64_t step = now - previous_;
    if (step < -2000) epoch_ += 2048;
    if (step > 2000) epoch_ -= 2048;
    previous_ = now;
    return epoch_ + now - first_;
  }

  std::unique_ptr<ByteSource> source_;
  ByteCursor cursor_;
  ReaderOptions options_;
  std::uint64_t pixels_;
  std::uint64_t frames_ = 0;
  std::int64_t first_ = -1;
  std::int64_t previous_ = 0;
  std::int64_t epoch_ = 0;
};

}  // namespace

std::unique_ptr<FrameReader> open_ufxc(std::unique_ptr<ByteSource> source, const ReaderOptions& options) {
  return std::make_unique<UfxcReader>(std::move(source), options);
}

}  // namespace xpcs
