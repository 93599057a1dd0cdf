import jakarta.servlet.http.*;
import java.io.IOException;

/** /slow?ms=N answers after N milliseconds. */
public class SlowServlet extends HttpServlet {
    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException {
        try {
            Thread.sleep(Texts.number(in.getParameter("ms"), 100));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        out.setContentType("text/plain");
        out.getOutputStream().print("slow\n");
    }
}
