# SPDX-License-Identifier: BSD-2-Clause
# fish completion of kgrctl: it says itself what may follow, peers included.
function __kgrctl_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l candidates ($words[1] complete -- $words[2..-1] 2>/dev/null)
    if test $status -eq 0
        printf '%s\n' $candidates
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c kgrctl -f -a '(__kgrctl_complete)'
