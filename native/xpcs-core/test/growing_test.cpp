// Files that grow under their reader: every frame comes once, when it is whole, wherever the file was cut at a look.
#include <doctest/doctest.h>

#include <algorithm>

#include "sample_files.hpp"
#include "xpcs/error.hpp"
#include "xpcs/frame_reader.hpp"

using namespace xpcs;
using namespace xpcs::samples;

namespace {

/// Of which only the first bytes are there.
class GrowingSource final : public ByteSource {
 public:
  GrowingSource(const Bytes& bytes, const std::size_t& now) : all_(bytes), now_(now), opened_(now) {}
  [[nodiscard]] std::uint64_t size() const override { return opened_; }
  [[nodiscard]] std::uint64_t size_now() const override { return now_; }
  std::size_t read(std::uint64_t offset, std::span<std::byte> into) const override {
    const std::size_t n = offset >= now_ ? 0 : std::min<std::size_t>(into.size(), now_ - offset);
    std::copy_n(all_.begin() + static_cast<std::ptrdiff_t>(offset), n, into.begin());
    return n;
  }

 private:
  const Bytes& all_;
  const std::size_t& now_;
  std::size_t opened_;
};

struct Taken {
  std::vector<std::uint32_t> frame, pixel;
  std::vector<std::int64_t> count;
  std::uint64_t frames = 0;

  /// All that a look gives.
  void take(FrameReader& reader, bool ended) {
    for (;;) {
      reader.look(ended);
      reader.want(reader.frames(), ~std::uint64_t{0});
      FrameBatch batch;
      if (!reader.next(batch)) return;
      frame.insert(frame.end(), batch.frame.begin(), batch.frame.end());
      pixel.insert(pixel.end(), batch.pixel.begin(), batch.pixel.end());
      count.insert(count.end(), batch.count.begin(), batch.count.end());
      frames = reader.frames();
    }
  }
};

ReaderOptions growing() {
  ReaderOptions options;
  options.height = 4;
  options.width = 5;
  options.growing = true;
  return options;
}

Bytes dense_imm(std::size_t frames) {
  Bytes bytes;
  for (std::size_t f = 0; f < frames; ++f) {
    std::vector<std::int16_t> counts(20, 0);
    counts[f % 20] = static_cast<std::int16_t>(f + 1);
    append_imm(bytes, false, {}, counts, 0.1 * static_cast<double>(f));
  }
  return bytes;
}

}  // namespace

TEST_CASE("a growing IMM file gives each frame once it is whole, cut anywhere") {
  for (const Bytes& bytes : {sparse_imm(), dense_imm(3)}) {
    Taken all;
    {
      std::size_t size = bytes.size();
      const auto reader = open_imm(std::make_unique<GrowingSource>(bytes, size), growing());
      all.take(*reader, true);
      REQUIRE(all.frames == 3);
    }
    for (std::size_t cut = 1024; cut < bytes.size(); ++cut) {
      std::size_t size = cut;
      const auto reader = open_imm(std::make_unique<GrowingSource>(bytes, size), growing());
      Taken taken;
      taken.take(*reader, false);
      CHECK(taken.frames < 3);
      size = bytes.size();
      taken.take(*reader, false);
      CHECK(taken.frames == 3);
      CHECK(taken.frame == all.frame);
      CHECK(taken.pixel == all.pixel);
      CHECK(taken.count == all.count);
    }
  }
}

TEST_CASE("a growing IMM file that ends within a frame, becomes shorter or has a frame of another size says so") {
  const Bytes bytes = dense_imm(3);
  const auto failure = [&](const Bytes& from, std::size_t first, std::size_t then, bool ended) -> std::string {
    std::size_t size = first;
    const auto reader = open_imm(std::make_unique<GrowingSource>(from, size), growing());
    Taken taken;
    try {
      taken.take(*reader, false);
      size = then;
      taken.take(*reader, ended);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  CHECK(failure(bytes, bytes.size() - 1, bytes.size() - 1, false) == "none");
  CHECK(failure(bytes, bytes.size() - 1, bytes.size() - 1, true).find("IMM frame 3 at byte 2128: truncated") != std::string::npos);
  CHECK(failure(bytes, 2 * 1064 + 5, 2 * 1064 + 5, true).find("truncated header") != std::string::npos);
  CHECK(failure(bytes, bytes.size(), 100, false).find("became shorter") != std::string::npos);
  Bytes other = bytes;
  put<std::uint32_t>(other, 2 * 1064 + 152, 19);
  CHECK(failure(other, other.size(), other.size(), false).find("a dense frame of 19 values") != std::string::npos);
}
