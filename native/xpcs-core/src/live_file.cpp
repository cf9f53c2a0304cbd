#include "live_file.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "formats/imm_header.hpp"
#include "xpcs/error.hpp"

namespace xpcs {
namespace {

bool zero_header(const std::string& path) {
  std::array<std::byte, imm::kHeaderBytes> header{};
  open_file(path)->read(0, header);
  return imm::all_zero(header);
}

}  // namespace

LiveFile::LiveFile(std::string path, Format format, const ReaderOptions& options) : path_(std::move(path)), format_(format), options_(options) {
  if (format != Format::imm && format != Format::hdf5) throw Error(Code::unsupported, path_ + ": a running measurement reads no " + format_name(format) + " files");
  options_.growing = true;
}

const LiveFrames& LiveFile::next(std::uint64_t most, bool ended) {
  frames_.frames = 0;
  frames_.batch.clear();
  frames_.rows.clear();
  waits_.clear();
  try {
    if (opened() && most > 0) read(most, ended);
  } catch (const Error& error) {
    if (format_ == Format::hdf5 && error.code() == Code::corrupt_data && !ended) {
      stale_ = true;  // between two writes it may look damaged
      waits_ = error.what();
      return frames_;
    }
    const std::string message = error.what();
    if (message.find(path_) != std::string::npos) throw;
    throw Error(error.code(), path_ + ": " + message);
  }
  return frames_;
}

bool LiveFile::opened() {
  struct stat facts {};
  if (::stat(path_.c_str(), &facts) != 0) {
    const int why = errno;
    if (reader_ == nullptr && why == ENOENT) {
      waits_ = path_ + " is not there yet";
      return false;
    }
    throw Error(Code::io_failed, why == ENOENT ? path_ + " is not there any more" : "cannot look at " + path_ + ": " + std::strerror(why));
  }
  if (!S_ISREG(facts.st_mode)) throw Error(Code::io_failed, path_ + " is no plain file");  // opening a pipe waits for its writer
  if (reader_ != nullptr) {
    if (facts.st_dev != device_ || facts.st_ino != inode_) throw Error(Code::io_failed, path_ + " was replaced by another file");
    return true;
  }
  if (format_ == Format::imm && static_cast<std::uint64_t>(facts.st_size) < imm::kHeaderBytes) {
    waits_ = path_ + " has " + std::to_string(facts.st_size) + " bytes, less than the header of a frame";
    return false;
  }
  if (format_ == Format::imm && zero_header(path_)) {
    waits_ = path_ + " begins with zeros: space that was reserved and is not filled";
    return false;
  }
  reader_ = format_ == Format::imm ? open_imm(open_file(path_), options_) : open_growing_hdf5(path_, options_);
  device_ = facts.st_dev;
  inode_ = facts.st_ino;
  return true;
}

bool LiveFile::fetch() {
  if (reader_->dense()) {
    frames_.signedCounts = !options_.unsignedCounts;
    return reader_->next_dense(frames_.batch, frames_.rows);
  }
  if (!reader_->fetch(stored_)) return false;
  stored_->decode(frames_.batch);
  stored_->check();
  return true;
}

void LiveFile::read(std::uint64_t most, bool ended) {
  reader_->want(taken_, taken_ + (most - 1));
  // What the last look saw comes first.
  if (stale_ || ended != endedSeen_ || !fetch()) {
    stale_ = true;
    endedSeen_ = ended;
    reader_->look(ended);
    waits_ = reader_->waits();
    if (!fetch()) return;
  }
  stale_ = false;
  frames_.first = taken_;
  frames_.frames = reader_->frames() - taken_;
  taken_ = reader_->frames();
}

std::vector<std::string> LiveFile::warnings() const { return reader_ == nullptr ? std::vector<std::string>{} : reader_->warnings(); }

}  // namespace xpcs
